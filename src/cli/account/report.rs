//! What is told: sums, gaps, and the verdict.

use nix::unistd::{Uid, User};
use serde::Serialize;

use super::live::Live;
use crate::cli::error::Exit;
use crate::clock::rfc3339;
use crate::engine::{Audit, Finding, Gapped, Kind};
use crate::metrics::SHARED;
use crate::record::{Sums, because};
use crate::words::count;

/// Whether it adds up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Ok,
    Unverifiable,
    Incomplete,
    Contradiction,
}

/// All that is told.
#[derive(Serialize)]
pub(super) struct Report {
    pub verdict: Verdict,
    pub exit_code: u8,
    pub sentence: String,
    pub log_id: String,
    /// The first leaf that was read; null if there is none.
    pub first_seq: Option<u64>,
    /// The leaf behind the last.
    pub next_seq: u64,
    pub users: Vec<UserLines>,
    pub total: Lines,
    /// Records of sums that were held against the lines.
    pub checked: u64,
    /// The last of them.
    pub last_checked: Option<Place>,
    pub gaps: Vec<Told>,
    /// Gaps and findings that are too many to be shown.
    pub left_out: u64,
    /// Leaves that are not there: the first one, and the one behind the last.
    pub holes: Vec<(u64, u64)>,
    pub findings: Vec<Finding>,
    /// The running daemon; null for a copy.
    pub daemon: Option<Live>,
}

/// A place of the log.
#[derive(Serialize)]
pub(super) struct Place {
    pub seq: u64,
    pub ts: String,
}

/// A gap record.
#[derive(Serialize)]
pub(super) struct Told {
    pub ts: String,
    /// Its reason in words.
    pub because: String,
    #[serde(flatten)]
    pub gapped: Gapped,
}

/// A user's lines.
#[derive(Serialize)]
pub(super) struct UserLines {
    /// 4294967295 stands for all who are one too many to be told apart.
    pub uid: u32,
    /// As it is today.
    pub name: Option<String>,
    #[serde(flatten)]
    pub lines: Lines,
}

/// What became of lines.
#[derive(Default, Serialize)]
pub(super) struct Lines {
    /// All of them.
    pub lines: u64,
    #[serde(flatten)]
    pub sums: Sums,
}

impl Verdict {
    fn of(audit: &Audit) -> Self {
        match audit.worst() {
            Some(Kind::Contradiction) => Self::Contradiction,
            Some(Kind::Incomplete) => Self::Incomplete,
            _ if audit.has_gaps() => Self::Incomplete,
            Some(Kind::Unverifiable) => Self::Unverifiable,
            None => Self::Ok,
        }
    }

    pub(super) fn exit(self) -> Exit {
        match self {
            Self::Ok => Exit::Done,
            Self::Unverifiable => Exit::Unverifiable,
            Self::Incomplete => Exit::Incomplete,
            Self::Contradiction => Exit::Tampered,
        }
    }

    fn sentence(self, audit: &Audit, sums: Sums) -> String {
        let gaps = audit.gaps.len() as u64;
        match self {
            Self::Ok => {
                "OK: every line that was accepted is stored, repeated or refused with a record".into()
            }
            Self::Unverifiable => {
                "UNVERIFIABLE: nothing contradicts the sums, but not all lines can be held against them".into()
            }
            Self::Incomplete if sums.missing > 0 => format!(
                "INCOMPLETE: every line is accounted for, and {} missing from the log; {} why",
                are(sums.missing, "event"),
                say(gaps)
            ),
            Self::Incomplete if gaps > 0 => format!(
                "INCOMPLETE: every line that is known of is stored, repeated or refused with a record; {} that others may be missing",
                say(gaps)
            ),
            Self::Incomplete => {
                "INCOMPLETE: the log does not say what became of some lines".into()
            }
            Self::Contradiction => {
                "CONTRADICTION: the lines of the log do not add up to the sums that it says; run `auditlog verify`".into()
            }
        }
    }
}

/// `1 event is`, `2 events are`.
fn are(n: u64, what: &str) -> String {
    format!("{} {}", count(n, what), if n == 1 { "is" } else { "are" })
}

/// `1 gap record says`, `2 gap records say`.
fn say(gaps: u64) -> String {
    format!("{} {}", count(gaps, "gap record"), if gaps == 1 { "says" } else { "say" })
}

impl Report {
    /// Of this log; `uid` says whose lines are asked for.
    pub(super) fn of(
        log_id: String,
        mut audit: Audit,
        mut daemon: Option<Live>,
        uid: Option<u32>,
    ) -> Self {
        if let Some(uid) = uid {
            audit.users.retain(|other, _| *other == uid);
            audit.gaps.retain(|gapped| gapped.gap.uid.is_none_or(|of| of == uid));
            if let Some(daemon) = &mut daemon {
                daemon.only(uid);
            }
        }
        let mut total = Sums::default();
        audit.users.values().for_each(|sums| total += *sums);
        let verdict = Verdict::of(&audit);
        let sentence = verdict.sentence(&audit, total);
        let (first_seq, next_seq) = match audit.seqs {
            Some((first, next)) => (Some(first), next),
            None => (None, 0),
        };
        let users = audit.users.iter().map(|(uid, sums)| UserLines::of(*uid, *sums)).collect();
        let told = |gapped: Gapped| Told {
            ts: rfc3339(gapped.ts_ns),
            because: because(&gapped.gap.reason).to_owned(),
            gapped,
        };
        Self {
            verdict,
            exit_code: verdict.exit() as u8,
            sentence,
            log_id,
            first_seq,
            next_seq,
            users,
            total: Lines::of(total),
            checked: audit.checked,
            last_checked: audit.last.map(|(seq, ts_ns)| Place { seq, ts: rfc3339(ts_ns) }),
            gaps: audit.gaps.into_iter().map(told).collect(),
            left_out: audit.left_out,
            holes: audit.holes,
            findings: audit.findings,
            daemon,
        }
    }
}

impl UserLines {
    fn of(uid: u32, sums: Sums) -> Self {
        let user = (uid != SHARED).then(|| User::from_uid(Uid::from_raw(uid)).ok().flatten());
        Self { uid, name: user.flatten().map(|user| user.name), lines: Lines::of(sums) }
    }
}

impl Lines {
    fn of(sums: Sums) -> Self {
        Self { lines: sums.settled(), sums }
    }
}
