//! The daemon's own records: events whose `event_type` starts with `auditlogd.`, which no client may use.

mod account;
mod done;
mod gap;
mod level;
mod storage;
mod throttled;

use serde::Serialize;

use crate::retention::Hold;

pub use account::{Account, Sums, UserSums};
pub use done::{EarlierRules, Maintained, Pruned, Task, Trigger};
pub use gap::because;
pub use level::Level;
pub use storage::{StorageProblem, Weakness};
pub use throttled::Throttled;

/// What every own record's JSON text starts with. Clients' events cannot (see [`crate::event`]), so
/// the index knows by it which vocabulary a line speaks.
pub const PREFIX: &str = r#"{"event_type":"auditlogd."#;

/// Why one of the daemon's own records is written, with its `data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Record {
    /// The first leaf of a log.
    LogCreated {
        /// 32 hex digits.
        log_id: String,
        /// Hex of the Ed25519 public key that signs seal 0: what a verifier pins.
        genesis_pub: String,
        /// The verifier key of checkpoints: through seal 0 the pinned genesis key vouches for it.
        checkpoint_vkey: String,
        /// The ledger format's version.
        format: u32,
        /// Where the auditor key was put: `file`, in the state directory, or `credential`, only where it
        /// came from.
        auditor_key: &'static str,
    },
    /// The auditor key is no longer in the state directory.
    AuditorKeyRemoved {
        /// When this run of the daemon last saw it there, RFC 3339.
        last_seen: Option<String>,
    },
    /// The daemon is ready to take events.
    Started {
        /// The daemon's version.
        version: &'static str,
        /// The kernel's boot id.
        boot_id: String,
        /// CLOCK_BOOTTIME at the start, nanoseconds.
        boottime_ns: u64,
        /// Which field map the index uses from here on: SHA-256 of its definition, hex.
        field_map: String,
    },
    /// The daemon was asked to stop; nothing but the last seal follows.
    Stopped {
        /// Which signal or request.
        reason: String,
    },
    /// The owner says that the log has come to its end on this host; the daemon's stop and its seal follow.
    Decommissioned {
        /// Why, for people.
        reason: String,
        /// Who asked for it.
        uid: u32,
    },
    /// The last run did not end with a stop, or files were not as it left them.
    Recovered {
        /// The epoch that was found open.
        epoch: u64,
        /// Lines of that epoch that stood on disk after its last seal.
        lines: u64,
        /// Bytes of an unterminated last line that were cut.
        cut_bytes: u64,
        /// Whether the host rebooted in between.
        rebooted: bool,
        /// What was wrong with the files, where something was.
        #[serde(skip_serializing_if = "Option::is_none")]
        damage: Option<String>,
    },
    /// A new segment was opened.
    Reopened {
        /// The segment's number.
        segment: u64,
        /// Why.
        reason: String,
        /// What was done to the file before, where that was more than a rename.
        #[serde(skip_serializing_if = "Option::is_none")]
        damage: Option<String>,
    },
    /// A client's line was refused. The record's peer is that client.
    Rejected {
        /// A code of socket-protocol: `invalid_json`, …
        code: &'static str,
        /// What is wrong, in a sentence.
        message: String,
        /// The line's number on its connection, from 1.
        line: u64,
        /// The line's length without LF.
        bytes: u64,
        /// Base64 of the line's first 4 KiB.
        raw: String,
    },
    /// Lines were refused faster than each could be recorded. The record's peer holds the uid.
    RejectedSummary {
        /// How many lines have no record of their own.
        lines: u64,
        /// Their bytes.
        bytes: u64,
        /// The uid whose lines they were.
        uid: u32,
        /// Over how many milliseconds.
        over_ms: u64,
    },
    /// A connection was closed by the daemon. The record's peer is that client.
    Disconnected {
        /// Why: `replies_not_read`, …
        reason: &'static str,
        /// Event lines taken from it.
        lines: u64,
    },
    /// A connection outlived the last run, but not how far it had come. What follows from it may repeat lines that
    /// are stored already; the record's peer is its client.
    Replayed {
        /// Why that is not known.
        reason: String,
    },
    /// The disk got fuller or emptier, so that other events are stored than before.
    Space {
        /// How full it is.
        level: Level,
        /// How full it was.
        before: Level,
        /// Bytes that were free for events.
        free_bytes: u64,
    },
    /// The disk took nothing for a while; events waited meanwhile, or went where `[space]` says.
    Stalled {
        /// What it said.
        error: String,
        /// When that began, RFC 3339.
        since: String,
        /// How long it lasted.
        waited_ms: u64,
    },
    /// Events are in the log that came while it took none, and went to the standard error then. Their `ts` is when they
    /// were stored.
    Late {
        /// How many.
        events: u64,
        /// Their bytes.
        bytes: u64,
        /// When the first of them came, RFC 3339.
        since: String,
        /// When the last of them came.
        until: String,
    },
    /// Events that are not in the log, or may not be. Exact ones of a known user are counted as `missing`.
    Gap {
        /// Why, one of the codes of [`because`].
        reason: &'static str,
        /// Whose they are; null if that is not known.
        uid: Option<u32>,
        /// How many at most.
        events: u64,
        /// Their bytes at most.
        bytes: u64,
        /// Whether the two are not bounds but exact.
        exact: bool,
        /// None of them would stand before a line of this time, RFC 3339.
        since: String,
        /// Nor after one of this time.
        until: String,
    },
    /// The sums of what became of clients' lines, as all lines before this one show it.
    Account(Box<Account>),
    /// A user exceeded its quota. The record's peer holds the uid.
    Throttled(Throttled),
    /// The log or its keys are in a place that takes something from what the log promises.
    StorageWarning {
        /// What is wrong, at least one thing.
        problems: Vec<StorageProblem>,
    },
    /// The wall clock moved against the boot clock.
    ClockStep {
        /// What the wall clock should have shown, RFC 3339.
        expected: String,
        /// What it showed.
        found: String,
        /// The difference, nanoseconds, positive when the clock went forward.
        step_ns: i64,
    },
    /// The configuration was read again, by a reload.
    ConfigChanged {
        /// Keys whose values changed and are in force.
        applied: Vec<String>,
        /// Keys whose values changed and need a restart.
        restart: Vec<String>,
        /// Which field map the index uses for events after this record: SHA-256 of its definition, hex.
        field_map: String,
    },
    /// Segments were deleted by retention, or are about to be.
    Pruned(Box<Pruned>),
    /// Somebody forbade to delete certain events.
    HoldAdded {
        /// The hold.
        #[serde(flatten)]
        hold: Box<Hold>,
    },
    /// They may be deleted again.
    HoldRemoved {
        /// The hold as it was.
        #[serde(flatten)]
        hold: Box<Hold>,
        /// Who released it.
        removed_by_uid: u32,
        /// Why, for people.
        removed_because: String,
    },
    /// Maintenance ran.
    Maintained(Box<Maintained>),
}

impl Record {
    /// A daemon of this version starts, in the boot `boot_id`, at CLOCK_BOOTTIME `boottime_ns`; its index uses the
    /// field map with this hash.
    pub fn started(boot_id: &str, boottime_ns: u64, field_map: String) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self::Started { version, boot_id: boot_id.to_owned(), boottime_ns, field_map }
    }

    /// The record's `event_type`.
    pub fn event_type(&self) -> &'static str {
        self.parts().0
    }

    /// What it says, in a sentence.
    pub fn sentence(&self) -> String {
        self.parts().2
    }

    /// `event_type`, `priority` and the sentence in `action`.
    fn parts(&self) -> (&'static str, &'static str, String) {
        match self {
            Record::LogCreated { .. } => {
                ("auditlogd.log_created", "notice", "a new log was created".into())
            }
            Record::AuditorKeyRemoved { .. } => (
                "auditlogd.auditor_key_removed",
                "notice",
                "the auditor key was taken off the host".into(),
            ),
            Record::Started { .. } => {
                ("auditlogd.started", "notice", "the audit log daemon started".into())
            }
            Record::Stopped { reason } => {
                ("auditlogd.stopped", "notice", format!("the audit log daemon stops: {reason}"))
            }
            Record::Decommissioned { reason, uid } => (
                "auditlogd.decommissioned",
                "notice",
                format!("uid {uid} ended this log: {reason}"),
            ),
            Record::Recovered { damage: None, .. } => {
                ("auditlogd.recovered", "warning", "the last run did not end with a stop".into())
            }
            Record::Recovered { damage: Some(damage), .. } => {
                ("auditlogd.recovered", "alert", damage.clone())
            }
            Record::Reopened { reason, damage, .. } => {
                let priority = if damage.is_some() { "alert" } else { "info" };
                ("auditlogd.reopened", priority, format!("a new segment was opened: {reason}"))
            }
            Record::Rejected { message, .. } => {
                ("auditlogd.rejected", "warning", format!("a line was refused: {message}"))
            }
            Record::RejectedSummary { lines, uid, .. } => (
                "auditlogd.rejected_summary",
                "warning",
                format!("{lines} more lines of uid {uid} were refused"),
            ),
            Record::Disconnected { reason, .. } => {
                ("auditlogd.disconnected", "warning", format!("a connection was closed: {reason}"))
            }
            Record::Replayed { reason } => (
                "auditlogd.replayed",
                "warning",
                format!("what this client sends next may repeat lines that are stored: {reason}"),
            ),
            Record::Space { level, before: _, free_bytes } => {
                let priority = match level {
                    Level::Enough => "notice",
                    Level::Warning => "warning",
                    Level::LowStops | Level::NormalStops => "alert",
                    Level::Full => "emergency",
                };
                let free = indicatif::BinaryBytes(*free_bytes);
                ("auditlogd.space", priority, format!("{free} of the disk are free: {level}"))
            }
            Record::Stalled { error, waited_ms, .. } => (
                "auditlogd.stalled",
                "alert",
                format!("the log could not be written for {waited_ms} ms: {error}"),
            ),
            Record::Late { events, since, until, .. } => (
                "auditlogd.late",
                "notice",
                format!("{events} events that came from {since} to {until} are stored only now"),
            ),
            Record::Gap { reason, uid, events, exact, .. } => {
                let priority = if *exact { "alert" } else { "warning" };
                ("auditlogd.gap", priority, gap::sentence(reason, *uid, *events, *exact))
            }
            Record::Account(account) => ("auditlogd.account", "info", account.to_string()),
            Record::Throttled(what) => ("auditlogd.throttled", "warning", what.to_string()),
            Record::StorageWarning { problems } => {
                let said: Vec<_> =
                    problems.iter().map(|p| format!("{}: {}", p.what, p.why)).collect();
                ("auditlogd.storage_warning", "warning", said.join("; "))
            }
            Record::ClockStep { found, expected, .. } => (
                "auditlogd.clock_step",
                "warning",
                format!("the clock stepped from {expected} to {found}"),
            ),
            Record::ConfigChanged { .. } => {
                ("auditlogd.config_changed", "notice", "the configuration changed".into())
            }
            Record::Pruned(what) => (
                "auditlogd.pruned",
                "notice",
                format!(
                    "lines {} to {} are deleted by retention",
                    what.first_seq, what.through_seq
                ),
            ),
            Record::HoldAdded { hold } => (
                "auditlogd.hold_added",
                "notice",
                format!("the hold {} forbids to delete what it matches: {}", hold.id, hold.reason),
            ),
            Record::HoldRemoved { hold, removed_because, .. } => (
                "auditlogd.hold_removed",
                "notice",
                format!("the hold {} was released: {removed_because}", hold.id),
            ),
            Record::Maintained(run) => (
                "auditlogd.maintained",
                if run.errors.is_empty() { "info" } else { "warning" },
                format!(
                    "maintenance: {run}{}",
                    if run.errors.is_empty() { "" } else { "; not all went well" }
                ),
            ),
        }
    }

    /// The record as an event's JSON text; it starts with [`PREFIX`].
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Event<'a> {
            event_type: &'static str,
            priority: &'static str,
            source: &'static str,
            action: String,
            data: &'a Record,
        }
        let (event_type, priority, action) = self.parts();
        let event = Event { event_type, priority, source: "auditlogd", action, data: self };
        // Plain structs of strings and integers cannot fail to serialize.
        let text = serde_json::to_string(&event).unwrap_or_default();
        crate::json::one_line(&text).into_owned()
    }
}

#[cfg(test)]
mod tests;
