//! What a verification says: a verdict, what it rests on, and what was read.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::anchors::Anchored;
use super::chain::Hole;
use super::history::History;
use super::position::Position;
use super::retention::Retention;

/// Findings that a report holds one by one: whatever a log holds, the report stays small.
const MOST_FINDINGS: usize = 1000;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything holds, and a checkpoint that was kept off the host covers it up to some leaf.
    OkAnchored,
    /// Everything holds; nothing off the host vouches for it.
    OkUnanchored,
    /// A crash, or a missing part that is explained: no sign of tampering, but not the whole log.
    Incomplete,
    /// It could not be checked.
    Unverifiable,
    /// There is evidence of change.
    Tampered,
}

impl Verdict {
    /// The exit code of `auditlog verify`.
    pub fn exit_code(self) -> u8 {
        match self {
            Verdict::OkAnchored | Verdict::OkUnanchored => 0,
            Verdict::Tampered => 4,
            Verdict::Incomplete => 5,
            Verdict::Unverifiable => 6,
        }
    }

    /// The words in capitals that the sentence starts with.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::OkAnchored => "OK, ANCHORED",
            Verdict::OkUnanchored => "OK, UNANCHORED",
            Verdict::Tampered => "TAMPERED",
            Verdict::Incomplete => "INCOMPLETE",
            Verdict::Unverifiable => "UNVERIFIABLE",
        }
    }

    /// Whether everything holds.
    pub fn is_ok(self) -> bool {
        self <= Verdict::OkUnanchored
    }
}

/// Where something was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Its line, from 1.
    pub line: u64,
    /// Bytes of its contents before that line.
    pub offset: u64,
    /// The leaf that the line is or should be.
    pub seq: u64,
}

/// Something that matters for the verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it makes of the verdict.
    pub verdict: Verdict,
    /// A sentence.
    pub message: String,
    /// Where.
    pub place: Option<Place>,
}

impl Finding {
    /// A finding without a place in the log.
    pub fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        Self { verdict, message: message.into(), place: None }
    }
}

/// What was read and checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Figures {
    /// The log, 32 hex digits.
    pub log_id: String,
    /// Files.
    pub segments: u64,
    /// Bytes of their lines.
    pub bytes: u64,
    /// Event lines.
    pub events: u64,
    /// Seals whose root, chain and signature were checked.
    pub seals: u64,
    /// Macs checked, which needs the auditor key.
    pub macs: u64,
    /// The first leaf that was read.
    pub first_seq: u64,
    /// The leaf after the last one.
    pub next_seq: u64,
    /// Lines after the last seal, which only the auditor key can check.
    pub open_lines: u64,
    /// When the first line that was read was committed, nanoseconds since 1970.
    pub first_ts_ns: Option<i64>,
    /// When the last line was.
    pub last_ts_ns: Option<i64>,
}

/// The result of a verification.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The worst of the findings; without any, whether the log is anchored.
    pub verdict: Verdict,
    /// Everything that matters, in the order of the log; at most 1,000.
    pub findings: Vec<Finding>,
    /// How many more findings there were.
    pub findings_left_out: u64,
    /// What was read.
    pub figures: Figures,
    /// Sentences about files that look like segments and could not be read as such; at most 20.
    pub unread: Vec<String>,
    /// What is missing of it since a rule deleted segments, in order.
    pub holes: Vec<Hole>,
    /// The rules of retention that the log names as in force.
    #[serde(skip)]
    pub retention: Retention,
    /// What the anchors cover.
    pub anchored: Anchored,
    /// Where the run went on from, for a run that did not read the whole log.
    pub since: Option<Since>,
    /// What happened to the log, if it was asked for.
    pub history: Option<History>,
    /// The leaf before which the database was compared with the log, if it was.
    pub database_end: Option<u64>,
    /// Where a later run can go on from.
    #[serde(skip)]
    pub position: Option<Position>,
}

/// The end of an earlier verification, from which one went on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Since {
    /// The first leaf that was read.
    pub seq: u64,
    /// When what is before it was verified, nanoseconds since 1970.
    pub verified_ns: i64,
    /// Whether that run had the auditor key.
    pub with_macs: bool,
}

impl Default for Report {
    /// Nothing read and nothing found.
    fn default() -> Self {
        Self {
            verdict: Verdict::OkUnanchored,
            findings: Vec::new(),
            findings_left_out: 0,
            figures: Figures::default(),
            unread: Vec::new(),
            holes: Vec::new(),
            retention: Retention::default(),
            anchored: Anchored::default(),
            since: None,
            history: None,
            database_end: None,
            position: None,
        }
    }
}

impl Report {
    /// Adds a finding, which can only make the verdict worse.
    pub fn add(&mut self, finding: Finding) {
        let worse = self.verdict < finding.verdict;
        self.verdict = self.verdict.max(finding.verdict);
        // The first finding of each degree is always kept: the sentence states it.
        if worse || self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        } else {
            self.findings_left_out += 1;
        }
    }
}
