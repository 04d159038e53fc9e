//! Where the sums go on after a stop or a crash: the last ones that the log says, and what its lines after them add.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::tally::{Entries, Entry};
use crate::ledger::line::{self, Body, peek_seq};
use crate::ledger::open::OnRead;
use crate::ledger::reader::Reader;
use crate::ledger::seal::{self, Reason};
use crate::metrics::told_apart;
use crate::record::{Account, Sums};

/// Leaves that are searched for the last sums. The writer says them after 25,000 lines of clients.
const MOST: u64 = 1 << 20;
/// Leaves that are read first, from the end of the log.
const FIRST: u64 = 8192;

/// Starts that may have been killed one after the other before they wrote a line: each leaves a seal.
const STARTS: u64 = 64;
/// Bytes after which it is worth a word that the start goes on.
const MUCH: u64 = 1 << 20;

/// What a start has found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::engine) struct Recounted {
    /// The sums as they are.
    pub base: BTreeMap<u32, Sums>,
    /// As the log says them last.
    pub written: BTreeMap<u32, Sums>,
    /// The leaf from which on is counted.
    pub from_seq: u64,
    /// When the last line was stored before this start sealed it, nanoseconds since 1970.
    pub last_ns: Option<i64>,
}

/// The sums over all leaves of the log below `next`. If they cannot be read, they begin anew there.
pub(in crate::engine) fn recount(
    log_dir: &Path,
    log_id: &str,
    next: u64,
    on_read: &OnRead,
) -> Recounted {
    let mut search = Search { reader: Reader::new(log_dir, log_id), on_read };
    search.recount(next).unwrap_or_else(|error| {
        tracing::warn!(%error, "the sums of the account cannot be found in the log, and begin anew");
        Recounted { from_seq: next, ..Recounted::default() }
    })
}

struct Search<'a> {
    reader: Reader,
    on_read: &'a OnRead,
}

impl Search<'_> {
    fn recount(&mut self, next: u64) -> io::Result<Recounted> {
        let (written, from_seq, begin) = match self.last(next)? {
            Ok(Said { users, from_seq, before_seq }) => (users, from_seq, before_seq),
            Err(first) => (BTreeMap::new(), first, first),
        };
        let mut base = written.clone();
        let mut add = |uid, sums| *base.entry(told_apart(&base, uid)).or_default() += sums;
        self.each(begin, next, |_, entry| match entry {
            Entry::Became(uid, sums) => add(uid, sums),
            Entry::Gap(gap) => {
                if let Some((uid, missing)) = gap.missing() {
                    add(uid, Sums { missing, ..Sums::default() });
                }
            }
            Entry::Account(_) | Entry::Other => {}
        })?;
        Ok(Recounted { base, written, from_seq, last_ns: self.last_ns(next)? })
    }

    /// The seals of starts, of which the last leaf is one, are no line of the last run.
    fn last_ns(&mut self, next: u64) -> io::Result<Option<i64>> {
        let mut last_ns = None;
        self.reader.each(next.saturating_sub(STARTS), next, |text| {
            let Ok(line) = line::parse(text) else { return };
            let of_start = match line.body {
                Body::Event { .. } => false,
                Body::Seal(json) => seal::parse(json)
                    .is_ok_and(|seal| matches!(seal.reason, Reason::Start | Reason::Recovered)),
            };
            if !of_start {
                last_ns = Some(line.ts_ns);
            }
        })?;
        Ok(last_ns)
    }

    /// The last sums that are said as a whole before the leaf `next`; else the first leaf that was searched.
    fn last(&mut self, next: u64) -> io::Result<Result<Said, u64>> {
        let (mut to, mut size) = (next, FIRST);
        let mut first = next;
        while to > 0 && next - to < MOST {
            let from = to.saturating_sub(size);
            let mut ends = Vec::new();
            self.each(from, to, |seq, entry| {
                first = first.min(seq);
                if let Entry::Account(account) = entry
                    && account.part == account.parts
                {
                    ends.push((seq, *account));
                }
            })?;
            while let Some((seq, last)) = ends.pop() {
                if let Some(said) = self.whole(seq, last)? {
                    return Ok(Ok(said));
                }
            }
            (to, size) = (from, size * 4);
        }
        Ok(Err(first))
    }

    /// The sums whose last part is at the leaf `seq`, if all parts are there.
    fn whole(&mut self, seq: u64, last: Account) -> io::Result<Option<Said>> {
        let Account { from_seq, before_seq, parts, .. } = last;
        let mut said = Said { users: BTreeMap::new(), from_seq, before_seq };
        if before_seq.checked_add(u64::from(parts)) != seq.checked_add(1) {
            return Ok(None);
        }
        let mut next = 1;
        self.each(before_seq, seq + 1, |_, entry| {
            if let Entry::Account(account) = entry
                && (account.part, account.before_seq) == (next, before_seq)
            {
                said.users.extend(account.users.iter().map(|user| (user.uid, user.sums)));
                next += 1;
            }
        })?;
        Ok((next == parts.saturating_add(1)).then_some(said))
    }

    fn each(&mut self, from: u64, to: u64, mut then: impl FnMut(u64, Entry)) -> io::Result<()> {
        let mut entries = Entries::default();
        let mut unsaid = 0;
        self.reader.each(from, to, |line| {
            unsaid += line.len() as u64;
            if unsaid >= MUCH {
                (self.on_read)(std::mem::take(&mut unsaid));
            }
            if let Some(seq) = peek_seq(line) {
                then(seq, entries.read(line));
            }
        })
    }
}

/// Sums that the log says.
struct Said {
    users: BTreeMap<u32, Sums>,
    from_seq: u64,
    before_seq: u64,
}
