//! The writer's book: the sums since the log's beginning, and when the log is to say them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::recount::Recounted;
use super::tally::{Entries, Entry};
use crate::metrics::{self, Metrics};
use crate::record::{Account, Record, Sums, UserSums};

/// The log says the sums once in this time at most, while they change.
const INTERVAL_NS: u64 = 60_000_000_000;
/// And after so many lines: what a start has to count again stays little.
const LINES: u64 = 25_000;
/// Users of one record: 230 bytes each at most, and a line holds 65,535.
const USERS: usize = 200;

type Users = BTreeMap<u32, Sums>;

pub(in crate::engine) struct Book {
    /// What was counted before this run.
    base: Users,
    /// From which leaf on.
    from_seq: u64,
    metrics: Arc<Metrics>,
    entries: Entries,
    /// The user whose line came last.
    last: Option<(u32, Arc<metrics::Account>)>,
    /// What the last record says.
    written: Users,
    /// Lines of clients since.
    lines: u64,
    /// CLOCK_BOOTTIME before which there is no other record for its age.
    not_before_ns: u64,
}

impl Book {
    /// Goes on from what a start has found.
    pub fn new(found: Recounted, metrics: Arc<Metrics>, boot_ns: u64) -> Self {
        let Recounted { base, written, from_seq, last_ns: _ } = found;
        // Who is told apart in the log is told apart in the counters as well.
        base.keys().for_each(|uid| drop(metrics.accounts.of(*uid)));
        let lines = u64::from(base != written);
        Self {
            base,
            from_seq,
            metrics,
            entries: Entries::default(),
            last: None,
            written,
            lines,
            not_before_ns: boot_ns.saturating_add(INTERVAL_NS),
        }
    }

    /// Counts whole lines that are durable, each with its LF.
    pub fn count(&mut self, lines: &[u8]) {
        let mut rest = lines;
        // Lines of one user follow each other: their sums go into the account at once.
        let (mut user, mut run) = (None, Sums::default());
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let line = &rest[..end];
            rest = &rest[end + 1..];
            let (uid, sums) = match self.entries.read(line) {
                Entry::Became(uid, sums) => (uid, sums),
                Entry::Gap(gap) => match gap.missing() {
                    Some((uid, missing)) => (uid, Sums { missing, ..Sums::default() }),
                    None => continue,
                },
                Entry::Account(_) | Entry::Other => continue,
            };
            if let Some(before) = user.replace(uid).filter(|before| *before != uid) {
                self.add(before, std::mem::take(&mut run));
            }
            run += sums;
            self.lines += 1;
        }
        if let Some(uid) = user {
            self.add(uid, run);
        }
    }

    fn add(&mut self, uid: u32, sums: Sums) {
        let account = match &self.last {
            Some((last, account)) if *last == uid => account,
            _ => &self.last.insert((uid, self.metrics.accounts.of(uid))).1,
        };
        let Sums { stored, refused, summarised, missing, repeated: _ } = sums;
        account.stored.add(stored);
        account.refused.add(refused);
        account.summarised.add(summarised);
        account.missing.add(missing);
    }

    /// CLOCK_BOOTTIME at which the log is to say the sums.
    pub fn due_at(&self) -> u64 {
        match self.lines {
            0 => u64::MAX,
            LINES.. => 0,
            _ => self.not_before_ns,
        }
    }

    /// The records of all sums for the place where the leaf `before_seq` is the next; none if nothing has changed.
    pub fn changed(&mut self, before_seq: u64, boot_ns: u64) -> Vec<Record> {
        let users = self.users();
        let sums = users.iter().map(|user| (user.uid, user.sums)).collect();
        self.not_before_ns = boot_ns.saturating_add(INTERVAL_NS);
        self.lines = 0;
        if self.written == sums {
            return Vec::new();
        }
        self.written = sums;
        self.records(before_seq, users)
    }

    /// The same, changed or not: what the last ones are in may be deleted.
    pub fn all(&mut self, before_seq: u64, boot_ns: u64) -> Vec<Record> {
        self.written.clear();
        self.changed(before_seq, boot_ns)
    }

    fn users(&self) -> Vec<UserSums> {
        let live = self.metrics.accounts.snapshot();
        let users = live.into_iter().map(|(uid, live)| {
            let mut sums = self.base.get(&uid).copied().unwrap_or_default();
            let lines = sums.settled().saturating_add(live.lines);
            sums += live.sums();
            UserSums { uid, lines, sums, waiting: lines.saturating_sub(sums.settled()) }
        });
        users.filter(|user| user.sums != Sums::default()).collect()
    }

    fn records(&self, before_seq: u64, users: Vec<UserSums>) -> Vec<Record> {
        let (from_seq, parts) = (self.from_seq, users.len().div_ceil(USERS) as u32);
        let part = |(part, users): (u32, &[UserSums])| {
            let users = users.to_vec();
            Record::Account(Box::new(Account { from_seq, before_seq, part, parts, users }))
        };
        (1..).zip(users.chunks(USERS)).map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::line;

    fn book() -> Book {
        Book::new(Recounted::default(), Arc::default(), 0)
    }

    fn stored(uid: u32) -> Vec<u8> {
        let mut text = Vec::new();
        let peer = format!(r#"{{"pid":null,"uid":{uid},"gid":null,"unit":null,"exe":null}}"#);
        let ts = "2026-11-21T01:23:45.123456789Z";
        line::push_event(&mut text, 7, ts, br#""a""#, &peer, b"{}");
        line::push_tail(&mut text, &[0; 32]);
        text.push(b'\n');
        text
    }

    fn accounts(records: &[Record]) -> Vec<&Account> {
        fn account(record: &Record) -> &Account {
            match record {
                Record::Account(account) => account,
                other => panic!("{other:?}"),
            }
        }
        records.iter().map(account).collect()
    }

    #[test]
    fn the_log_says_its_sums_only_when_they_have_changed() {
        let mut book = book();
        assert_eq!((book.due_at(), book.changed(1, 0).len()), (u64::MAX, 0));
        book.count(&[stored(7), stored(7), stored(8)].concat());
        assert_eq!(book.due_at(), INTERVAL_NS);
        book.metrics.accounts.of(7).lines.add(5);
        book.metrics.accounts.of(8).lines.add(1);
        let records = book.changed(10, INTERVAL_NS);
        let found = accounts(&records);
        let users: Vec<_> =
            found[0].users.iter().map(|u| (u.uid, u.lines, u.sums.stored, u.waiting)).collect();
        assert_eq!(users, [(7, 5, 2, 3), (8, 1, 1, 0)]);
        assert_eq!((found.len(), found[0].before_seq), (1, 10));
        assert_eq!((book.due_at(), book.changed(11, 0).len()), (u64::MAX, 0));
        assert_eq!(book.all(12, 0).len(), 1, "before lines are deleted they are said again");
    }

    #[test]
    fn any_number_of_users_fits_into_lines_of_the_log() {
        let mut book = book();
        let most = u64::MAX / 2;
        for uid in 4_000_000_000..4_000_001_500 {
            book.count(&stored(uid));
            book.metrics.accounts.of(uid).lines.add(1);
            let sums = Sums {
                stored: most,
                repeated: most,
                refused: most,
                summarised: most,
                missing: most,
            };
            book.base.insert(uid, sums);
        }
        let records = book.changed(u64::MAX, 0);
        let found = accounts(&records);
        let users: usize = found.iter().map(|account| account.users.len()).sum();
        assert_eq!((found.len(), users), (6, 1025));
        assert!(records.iter().all(|record| record.to_json().len() < line::MAX - 2_000));
        assert!(
            (1..).zip(&found).all(|(part, account)| account.part == part && account.parts == 6)
        );
        let shared = found[5].users.last().expect("users");
        assert_eq!((shared.uid, shared.sums.stored), (metrics::SHARED, 1500 - 1024));
    }
}
