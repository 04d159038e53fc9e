//! What the page shows, as text: the template only lays it out, and escapes all of it.

use askama::Template;

use super::frameworks::Framework;

/// The page.
#[derive(Template)]
#[template(path = "attest.html")]
pub(super) struct Page<'a> {
    pub version: &'a str,
    pub made: String,
    pub host: String,
    pub from: String,
    pub until: String,
    pub class: &'static str,
    pub word: &'static str,
    pub sentence: String,
    pub meaning: &'static str,
    pub about: Vec<Fact>,
    pub checked: Vec<Fact>,
    pub unchecked: Vec<String>,
    pub keys: Vec<Key>,
    pub ranges: Vec<Range>,
    pub receipts: Vec<String>,
    pub findings: Vec<FindingRow>,
    pub findings_left_out: u64,
    pub gaps: Vec<Entry>,
    pub gaps_none: &'static str,
    pub prunes: Vec<Entry>,
    pub events: Vec<Entry>,
    pub happenings_left_out: u64,
    pub seals: Seals,
    pub counts_sentence: String,
    pub counts: Vec<Count>,
    pub commands: String,
    pub files: Vec<FileRow>,
    pub sums: String,
    pub newest: String,
    pub frameworks: &'a [Framework],
}

/// A name and its value.
pub(super) struct Fact {
    pub name: &'static str,
    pub value: String,
}

/// A key that was used, or not.
pub(super) struct Key {
    pub name: &'static str,
    pub value: String,
    pub from: String,
}

/// A part of the log, and who vouches for it.
pub(super) struct Range {
    pub seqs: String,
    pub class: &'static str,
    pub state: &'static str,
    pub why: String,
}

/// A finding.
pub(super) struct FindingRow {
    pub class: &'static str,
    pub word: &'static str,
    pub message: String,
    pub place: String,
}

/// Something that happened.
pub(super) struct Entry {
    pub time: String,
    pub seq: String,
    pub what: String,
}

/// The seals of the period.
#[derive(Default)]
pub(super) struct Seals {
    pub sentence: String,
    pub days: Vec<Day>,
    pub caption: String,
    pub list: Vec<SealRow>,
}

/// The seals of a day.
pub(super) struct Day {
    pub day: String,
    pub seals: String,
    pub epochs: String,
    pub seqs: String,
    pub reasons: String,
}

/// A seal.
pub(super) struct SealRow {
    pub epoch: String,
    pub seqs: String,
    pub time: String,
    pub reason: String,
}

/// Events counted by something.
pub(super) struct Count {
    pub caption: String,
    pub column: &'static str,
    pub rows: Vec<CountRow>,
}

/// Events that have it in common.
pub(super) struct CountRow {
    pub name: String,
    pub events: String,
}

/// A file of the log.
pub(super) struct FileRow {
    pub name: String,
    pub segment: String,
    pub bytes: String,
    pub sha256: String,
}
