//! Why events are not in the log, in words.

use crate::words::count;

/// The reason behind the code that a gap record gives.
pub fn because(code: &str) -> &str {
    match code {
        "host_crash" => {
            "the host went down while the log was written; what clients had sent in the last moment was in memory only, and so much is what all connections can hold"
        }
        "killed" => {
            "the daemon was killed or crashed; what clients had sent in the last moment, and was not acknowledged, was in their connections, and so much is what all of these can hold"
        }
        "disk_full" => "the disk had no room for events of their priority",
        "stop_deadline" => "the daemon had to stop before it had read all that clients had sent",
        "replies_not_read" => {
            "a client did not read its replies, so its connection was closed with what it had sent since"
        }
        "not_summarised" => {
            "lines that were refused, or that there was no room or no connection for, and that have no record of their own; the daemon was killed before it had written how many"
        }
        code => code,
    }
}

/// What a gap record says.
pub fn sentence(reason: &str, uid: Option<u32>, events: u64, exact: bool) -> String {
    let (bound, are) =
        if exact { ("", "are not in the log") } else { ("at most ", "may be missing") };
    let user = match uid {
        None => String::new(),
        Some(u32::MAX) => " of several users".into(),
        Some(uid) => format!(" of uid {uid}"),
    };
    format!("{bound}{}{user} {are}: {}", count(events, "event"), because(reason))
}
