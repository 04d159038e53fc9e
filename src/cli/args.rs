//! What command-line values mean: the readers that several commands share.

use crate::event::{self, FieldMap};

/// The severities' names by their number.
pub(super) const PRIORITIES: [&str; 8] =
    ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// Reads a severity as events may state it: a name in any case, a common synonym, or 0 to 7.
pub(super) fn priority(text: &str) -> Result<u8, String> {
    let mut json = br#"{"priority":"#.to_vec();
    crate::json::push_string(&mut json, text);
    json.push(b'}');
    let json = String::from_utf8_lossy(&json);
    let event = event::parse(&json, &FieldMap::builtin()).map_err(|e| e.to_string())?;
    event.priority.ok_or_else(|| format!("use one of {} or 0 to 7", PRIORITIES.join(", ")))
}

/// The name of a severity.
pub(super) fn priority_name(priority: u8) -> &'static str {
    PRIORITIES.get(usize::from(priority)).copied().unwrap_or("?")
}

/// Reads a user: a number or a name.
pub(super) fn uid(text: &str) -> Result<u32, String> {
    if let Ok(uid) = text.parse() {
        return Ok(uid);
    }
    match nix::unistd::User::from_name(text) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        Ok(None) => Err("there is no such user; a number works as well".into()),
        Err(errno) => Err(format!("the user cannot be looked up: {errno}")),
    }
}

/// Reads the name of a systemd unit; one without a dot is a service.
pub(super) fn unit(text: &str) -> Result<String, std::convert::Infallible> {
    let suffix = if text.contains('.') { "" } else { ".service" };
    Ok(format!("{text}{suffix}"))
}
