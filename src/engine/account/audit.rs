//! The account, checked: every line of the log is counted once more, and each record of sums has to say what the lines
//! before it add up to. Where retention has deleted lines, the sums lead over the hole.

mod compare;

use std::collections::BTreeMap;
use std::ops::Range;

use super::tally::{Entries, Entry, Gap};
use crate::ledger::line::{peek_seq, peek_ts};
use crate::metrics::SHARED;
use crate::record::{Account, Sums, UserSums};

/// Users that are told apart here: more than a log tells apart.
const MOST_USERS: usize = 1 << 16;
/// Gaps and findings that are kept one by one.
const MOST: usize = 1_000;

/// What the lines of a log say of the lines of clients.
#[derive(Debug, Default)]
pub struct Audit {
    /// What became of the lines of the period, by uid.
    pub users: BTreeMap<u32, Sums>,
    /// The leaves that were read: the first one, and the one behind the last.
    pub seqs: Option<(u64, u64)>,
    /// Leaves that are not there, as ranges without their ends.
    pub holes: Vec<(u64, u64)>,
    /// Records of sums that were held against the lines.
    pub checked: u64,
    /// The last of them: its leaf, and its time, nanoseconds since 1970.
    pub last: Option<(u64, i64)>,
    /// What may be missing, in the period.
    pub gaps: Vec<Gapped>,
    /// Gaps and findings that are too many to be kept.
    pub left_out: u64,
    /// What does not add up, or could not be added up.
    pub findings: Vec<Finding>,
    entries: Entries,
    period: Option<Range<i64>>,
    /// The sums that the log said last.
    said: Option<Said>,
    /// What the lines since then, or since the beginning, add.
    since: BTreeMap<u32, Sums>,
    /// Some of them are not there.
    hole: bool,
    /// Parts of the sums that are being read.
    parts: Vec<Account>,
    /// Users whose lines wait, by sums that are right before the line that is read.
    waiting: Vec<(u32, u64)>,
}

/// A gap record.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Gapped {
    /// Its leaf.
    pub seq: u64,
    /// When it was written, nanoseconds since 1970.
    pub ts_ns: i64,
    /// What it says.
    #[serde(flatten)]
    pub gap: Gap,
}

/// What is wrong, in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// Of which kind.
    pub kind: Kind,
    /// The sentence.
    pub text: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Sums cannot be held against lines.
    Unverifiable,
    /// The log does not say what became of lines.
    Incomplete,
    /// Lines and sums contradict each other.
    Contradiction,
}

/// The sums at one place of the log.
#[derive(Debug)]
struct Said {
    from_seq: u64,
    users: BTreeMap<u32, UserSums>,
}

impl Audit {
    /// Of lines that were committed within this period, nanoseconds since 1970; of all without one. The sums are
    /// checked over the whole log in any case.
    pub fn new(period: Option<Range<i64>>) -> Self {
        Self { period, ..Self::default() }
    }

    /// Takes the next line, without its LF.
    pub fn line(&mut self, text: &[u8]) {
        let Some(seq) = peek_seq(text) else { return };
        self.place(seq);
        match self.entries.read(text) {
            Entry::Became(uid, sums) => self.add(text, uid, sums),
            Entry::Gap(gap) => self.gap(text, seq, *gap),
            Entry::Account(account) => return self.account(text, seq, *account),
            Entry::Other => self.stopped(text),
        }
        self.parts.clear();
        self.waiting.clear();
    }

    /// Whether lines may be missing.
    pub fn has_gaps(&self) -> bool {
        !self.gaps.is_empty()
    }

    /// The worst finding.
    pub fn worst(&self) -> Option<Kind> {
        self.findings.iter().map(|finding| finding.kind).max()
    }

    fn place(&mut self, seq: u64) {
        let (first, next) = self.seqs.unwrap_or((seq, 0));
        if seq > next {
            self.hole = true;
            if self.holes.len() < MOST {
                self.holes.push((next, seq));
            }
        }
        self.seqs = Some((first, seq + 1));
    }

    fn in_period(&self, text: &[u8]) -> bool {
        match &self.period {
            None => true,
            Some(period) => peek_ts(text).is_some_and(|ts_ns| period.contains(&ts_ns)),
        }
    }

    fn add(&mut self, text: &[u8], uid: u32, sums: Sums) {
        *named(&mut self.since, uid) += sums;
        if self.in_period(text) {
            *named(&mut self.users, uid) += sums;
        }
    }

    fn gap(&mut self, text: &[u8], seq: u64, gap: Gap) {
        if let Some((uid, missing)) = gap.missing() {
            self.add(text, uid, Sums { missing, ..Sums::default() });
        }
        if !self.in_period(text) {
            return;
        }
        let ts_ns = peek_ts(text).unwrap_or_default();
        match self.gaps.len() < MOST {
            true => self.gaps.push(Gapped { seq, ts_ns, gap }),
            false => self.left_out += 1,
        }
    }

    fn find(&mut self, kind: Kind, text: String) {
        match self.findings.len() < MOST {
            true => self.findings.push(Finding { kind, text }),
            false => self.left_out += 1,
        }
    }

    /// Takes a part of sums; once it has them all, they are held against the lines.
    fn account(&mut self, text: &[u8], seq: u64, account: Account) {
        if account.part == 1 {
            self.parts.clear();
        }
        let at = account.before_seq.checked_add(self.parts.len() as u64);
        let (part, parts) = (account.part as usize, account.parts as usize);
        if at != Some(seq) || part != self.parts.len() + 1 || part > parts {
            // A crash has cut the others off; what it has cut is said again.
            return self.parts.clear();
        }
        self.parts.push(account);
        if part == parts {
            self.whole(seq, peek_ts(text).unwrap_or_default(), self.in_period(text));
        }
    }

    /// A stop right after sums: ingest has ended by then, so that nothing waits.
    fn stopped(&mut self, text: &[u8]) {
        const STOPPED: &[u8] = br#""event":{"event_type":"auditlogd.stopped""#;
        if self.waiting.is_empty() || memchr::memmem::find(text, STOPPED).is_none() {
            return;
        }
        let seq = self.seqs.map_or(0, |(_, next)| next - 1);
        for (uid, lines) in std::mem::take(&mut self.waiting) {
            let text = format!(
                "the daemon stopped (leaf {seq}) before it had dealt with {lines} lines of {} that it had taken in; if the service manager did not keep their connections, they are not in the log",
                Name(uid)
            );
            self.find(Kind::Incomplete, text);
        }
    }
}

/// The sums of a user.
fn named(users: &mut BTreeMap<u32, Sums>, uid: u32) -> &mut Sums {
    let known = users.len() < MOST_USERS || users.contains_key(&uid);
    users.entry(if known { uid } else { SHARED }).or_default()
}

/// A user in a sentence.
struct Name(u32);

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            SHARED => f.write_str("users who are not told apart"),
            uid => write!(f, "uid {uid}"),
        }
    }
}
