//! Whether what was acknowledged is what is stored.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::BufRead;
use std::path::Path;

use auditlogd::ledger::line::{self, Body};
use auditlogd::ledger::segment;

use crate::common::lab::paths;
use crate::common::verify;
use crate::event::{self, Id};
use crate::producers::Sent;

/// The event that is sent when all is over.
pub const FRESH: Id = (u64::MAX >> 16, 0);

/// Fails unless each event of `sent`, and the fresh one, is in the ledger with its very bytes and once, however often it was
/// sent, nothing else is, the database has the same ids, and no verification finds more than kills.
pub fn conserved(root: &Path, seed: u64, sent: &[Sent]) -> Stored {
    let stored = in_ledger(root, seed);
    let mut expected: BTreeSet<Id> = BTreeSet::from([FRESH]);
    for (producer, sent) in (0..).zip(sent) {
        expected.extend((0..sent.events).map(|n| (producer, n)));
    }
    let lost: Vec<_> = expected.iter().filter(|id| !stored.contains_key(id)).collect();
    assert!(lost.is_empty(), "{} acknowledged events are lost: {:?}", lost.len(), first(&lost));
    let foreign: Vec<_> = stored.keys().filter(|id| !expected.contains(id)).collect();
    assert!(foreign.is_empty(), "{} events were never sent: {:?}", foreign.len(), first(&foreign));
    let twice: Vec<_> = stored.iter().filter(|(_, count)| **count > 1).map(|(id, _)| id).collect();
    assert!(twice.is_empty(), "{} events are stored twice: {:?}", twice.len(), first(&twice));

    let ledger: BTreeSet<_> = stored.keys().copied().collect();
    assert!(in_database(root) == ledger, "the database has the ids of the ledger");
    let (code, said) = verify(root);
    assert!(matches!(code, Some(0 | 5)), "{code:?}: {said}");
    Stored {
        events: stored.len(),
        again: sent.iter().map(|sent| sent.again).sum(),
        verdict: said.lines().next().unwrap_or_default().into(),
    }
}

/// What a run ended with.
pub struct Stored {
    pub events: usize,
    /// How often one of them was sent that had been sent before.
    pub again: u64,
    /// What `auditlog verify` says.
    pub verdict: String,
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, again, verdict } = self;
        write!(f, "{events} events, each stored once, {again} of them sent again; {verdict}")
    }
}

fn first<T>(of: &[T]) -> &[T] {
    &of[..of.len().min(10)]
}

/// How often each event of the test's is in the ledger. Fails if the bytes of one are not those that were sent.
fn in_ledger(root: &Path, seed: u64) -> BTreeMap<Id, u32> {
    let mut stored = BTreeMap::new();
    let mut segments = segment::list(&paths(root).log_dir).expect("lists");
    // A compression that was cut off leaves both forms of a segment.
    segments.dedup_by_key(|found| found.header.segment);
    for found in segments {
        let file = segment::open_listed(&found).expect("opens");
        let lines = segment::contents(file).expect("reads").split(b'\n').skip(1);
        for bytes in lines {
            let bytes = bytes.expect("reads");
            let line = line::parse(&bytes).expect("a line");
            let Body::Event { event, .. } = line.body else { continue };
            if event.starts_with("{\"event_type\":\"auditlogd.") {
                continue;
            }
            let id = event::named(line.id).unwrap_or_else(|| panic!("foreign: {}", line.id));
            assert!(event == event::text(seed, id), "the bytes of {} are others: {event}", line.id);
            *stored.entry(id).or_default() += 1;
        }
    }
    stored
}

fn in_database(root: &Path) -> BTreeSet<Id> {
    let database = rusqlite::Connection::open(root.join("var/lib/auditlogd/audit.db"));
    let database = database.expect("opens");
    let mut query =
        database.prepare("SELECT id FROM events WHERE event_type = 'oracle'").expect("prepares");
    let ids = query.query_map([], |row| row.get::<_, String>(0)).expect("queries");
    let named = |id: String| event::named(&format!("\"{id}\"")).expect("an id of the test's");
    ids.map(|id| named(id.expect("reads"))).collect()
}
