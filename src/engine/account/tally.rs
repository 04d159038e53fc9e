//! What a line of the ledger says about lines of clients. The writer counts by it what it has just stored, a start
//! what the last run has stored, and an auditor all of it: there is no other way to count.

use serde::Deserialize;

use crate::ledger::line;
use crate::record::{self, Account, Sums};

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Of lines of this user, this became of so many.
    Became(u32, Sums),
    /// The sums of all lines before, or a part of them.
    Account(Box<Account>),
    /// Events may be missing.
    Gap(Box<Gap>),
    /// Nothing about lines of clients.
    Other,
}

/// A record of missing events, as it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Gap {
    /// As in [`record::Record::Gap`].
    pub reason: String,
    /// Whose they are, if that is known.
    pub uid: Option<u32>,
    /// How many at most.
    pub events: u64,
    /// Their bytes at most.
    pub bytes: u64,
    /// The two are exact.
    pub exact: bool,
    /// None of them would stand before a line of this time, RFC 3339.
    pub since: String,
    /// Nor after one of this time.
    pub until: String,
}

impl Gap {
    /// Lines that were taken in and are known to be missing, by user; what may be missing is no part of any sum.
    pub fn missing(&self) -> Option<(u32, u64)> {
        self.uid.filter(|_| self.exact).map(|uid| (uid, self.events))
    }
}

/// Reads entries; lines of one connection, which follow each other, are read faster.
#[derive(Debug, Default)]
pub struct Entries {
    peer: Vec<u8>,
    uid: Option<u32>,
}

impl Entries {
    /// What a line says, given without its LF.
    pub fn read(&mut self, line: &[u8]) -> Entry {
        let Some((peer, event)) = line::peek_event(line) else { return Entry::Other };
        let Some(uid) = self.uid_of(peer) else { return Entry::Other };
        match event.strip_prefix(record::PREFIX.as_bytes()) {
            None => Entry::Became(uid, Sums { stored: 1, ..Sums::default() }),
            Some(own) => self::own(uid, own, event),
        }
    }

    fn uid_of(&mut self, peer: &[u8]) -> Option<u32> {
        if self.peer != peer {
            self.peer.clear();
            self.peer.extend_from_slice(peer);
            self.uid = uid(peer);
        }
        self.uid
    }
}

/// The user in a peer object. It stands before all texts.
fn uid(peer: &[u8]) -> Option<u32> {
    const UID: &[u8] = br#""uid":"#;
    let rest = &peer[memchr::memmem::find(peer, UID)? + UID.len()..];
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

/// One of the daemon's own records about a peer of this user; `rest` is its event behind [`record::PREFIX`].
fn own(uid: u32, rest: &[u8], event: &[u8]) -> Entry {
    #[derive(Deserialize)]
    struct Summary {
        lines: u64,
        uid: u32,
    }
    let entry = if rest.starts_with(b"rejected\"") {
        Some(Entry::Became(uid, Sums { refused: 1, ..Sums::default() }))
    } else if rest.starts_with(b"rejected_summary\"") {
        data(event).map(|Summary { lines, uid }| {
            Entry::Became(uid, Sums { summarised: lines, ..Sums::default() })
        })
    } else if rest.starts_with(b"account\"") {
        data(event).map(|account| Entry::Account(Box::new(account)))
    } else if rest.starts_with(b"gap\"") {
        data(event).map(|gap| Entry::Gap(Box::new(gap)))
    } else {
        None
    };
    entry.unwrap_or(Entry::Other)
}

fn data<'a, T: Deserialize<'a>>(event: &'a [u8]) -> Option<T> {
    #[derive(Deserialize)]
    struct Event<T> {
        data: T,
    }
    serde_json::from_slice(event).ok().map(|Event { data }| data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    const PEER: &str =
        r#"{"pid":1,"uid":1000,"gid":0,"unit":"\"uid\":7,","exe":"a\",\"event\":{"}"#;

    fn read(event: &str) -> Entry {
        let mut text = Vec::new();
        let ts = "2026-11-21T01:23:45.123456789Z";
        line::push_event(&mut text, 7, ts, br#""\",\"peer\":""#, PEER, event.as_bytes());
        line::push_tail(&mut text, &[0; 32]);
        line::parse(&text).expect("a line");
        Entries::default().read(&text)
    }

    #[test]
    fn each_line_says_what_became_of_lines_and_whose() {
        let stored = Sums { stored: 1, ..Sums::default() };
        for event in ["{}", r#"{"event_type":"x","event":{"data":{"lines":7}}}"#] {
            assert_eq!(read(event), Entry::Became(1000, stored));
        }
        let rejected = Record::Rejected {
            code: "too_long",
            message: "no".into(),
            line: 7,
            bytes: 8,
            raw: String::new(),
        };
        let refused = Sums { refused: 1, ..Sums::default() };
        assert_eq!(read(&rejected.to_json()), Entry::Became(1000, refused));
        let summary = Record::RejectedSummary { lines: 9, bytes: 90, uid: 5, over_ms: 1 };
        let summarised = Sums { summarised: 9, ..Sums::default() };
        assert_eq!(read(&summary.to_json()), Entry::Became(5, summarised));
        assert_eq!(read(&Record::Stopped { reason: "x".into() }.to_json()), Entry::Other);
        assert_eq!(Entries::default().read(b"{\"seq\":1"), Entry::Other);
    }

    #[test]
    fn a_gap_is_a_sum_only_if_it_is_exact_and_somebodys() {
        for (uid, exact, missing) in
            [(Some(7), true, Some((7, 3))), (Some(7), false, None), (None, true, None)]
        {
            let (since, until) = (String::new(), String::new());
            let reason = "disk_full";
            let gap = Record::Gap { reason, uid, events: 3, bytes: 30, exact, since, until };
            let Entry::Gap(gap) = read(&gap.to_json()) else { panic!("no gap") };
            assert_eq!(gap.missing(), missing);
        }
    }

    #[test]
    fn an_account_reads_as_it_was_written() {
        let sums = Sums { stored: 3, repeated: 1, ..Sums::default() };
        let users = vec![record::UserSums { uid: 7, lines: 5, sums, waiting: 1 }];
        let account = Account { from_seq: 0, before_seq: 9, part: 1, parts: 1, users };
        let record = Record::Account(Box::new(account.clone()));
        assert_eq!(read(&record.to_json()), Entry::Account(Box::new(account)));
    }
}
