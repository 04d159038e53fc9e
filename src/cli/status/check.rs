//! What is wrong, in words; and `auditlog status --check`, which says only that.

use std::io::ErrorKind;

use super::super::daemon::{ask, unexpected};
use super::super::error::{Error, Exit};
use super::super::output::{Look, Out};
use super::super::text::visible;
use crate::config::Config;
use crate::control::{ControlError, Reply, Request};
use crate::metrics::{Problem, Severity};
use crate::words::count;

/// How bad it is, in a word.
pub(super) fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

/// What is wrong, since when, and what to do.
pub(super) fn sentence(problem: &Problem, look: &Look) -> String {
    let text = format!("{}, since {}", problem.what, look.time_of(&problem.since));
    problem.remedy.iter().fold(text, |text, remedy| format!("{text}; {remedy}"))
}

/// Asks the daemon and prints a line; the exit codes are those of monitoring plugins (Nagios Plugin Development
/// Guidelines, "Plugin Return Codes").
pub(super) fn run(config: &Config, out: &mut Out) -> Result<Exit, Error> {
    let (text, exit) = match ask(&config.control_socket(), &Request::Status) {
        Ok(Reply::Status(status)) => of(&status.problems, &out.look),
        Ok(_) => (format!("unknown: {}", unexpected()), Exit::Io),
        Err(error) if may_not_ask(&error) => (format!("unknown: {error}"), Exit::Io),
        Err(error) => (format!("critical: {error}"), Exit::Usage),
    };
    out.line(visible(&text))?;
    out.flush()?;
    Ok(exit)
}

/// The worst of them, and how many others there are.
fn of(problems: &[Problem], look: &Look) -> (String, Exit) {
    let Some((worst, others)) = problems.split_first() else {
        return ("ok: nothing is wrong".into(), Exit::Done);
    };
    let mut text = format!("{}: {}", word(worst.severity), sentence(worst, look));
    if !others.is_empty() {
        let others = count(others.len() as u64, "other problem");
        text.push_str(&format!(" (and {others}: `auditlog status`)"));
    }
    let exit = match worst.severity {
        Severity::Warning => Exit::Nothing,
        Severity::Critical => Exit::Usage,
    };
    (text, exit)
}

fn may_not_ask(error: &Error) -> bool {
    let Error::Control(ControlError::Unreachable { source, .. }) = error else { return false };
    source.kind() == ErrorKind::PermissionDenied
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_decides_and_the_others_are_counted() {
        let problem = |severity, sentence| {
            let since = "2026-11-21T02:00:00.000000000Z".into();
            Problem { since, ..Problem::new("x", severity, sentence) }
        };
        let warning = problem(Severity::Warning, "a is slow");
        let critical = problem(Severity::Critical, "b is full; empty it");
        let look = Look::plain();
        assert_eq!(of(&[], &look), ("ok: nothing is wrong".into(), Exit::Done));
        let since = "since 2026-11-21T02:00:00.000000000Z";
        let one = (format!("warning: a is slow, {since}"), Exit::Nothing);
        assert_eq!(of(std::slice::from_ref(&warning), &look), one);
        let text = format!(
            "critical: b is full, {since}; empty it (and 1 other problem: `auditlog status`)"
        );
        assert_eq!(of(&[critical, warning], &look), (text, Exit::Usage));
    }
}
