//! Whether each event whose write succeeded is stored exactly once, in the ledger and in the database.

use std::collections::BTreeMap;
use std::fs;

use crate::container::Container;
use crate::load::Client;
use crate::traffic::MORE;

/// What clients sent and what is stored of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub sent: usize,
    /// Clients that lost their connection, and why.
    pub disconnected: Vec<String>,
    pub ledger: Tally,
    pub database: Tally,
}

/// How often what was sent is stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub lost: usize,
    /// Events that are stored more often than once.
    pub duplicated: usize,
    /// Some of both, by their ids.
    pub examples: Vec<String>,
}

impl Outcome {
    /// Fails if anything is lost or stored twice, or if a client was disconnected.
    pub fn assert_perfect(&self) {
        assert!(self.sent >= 2 * MORE, "hardly any traffic: {self:#?}");
        let perfect = self.disconnected.is_empty()
            && self.ledger == Tally::default()
            && self.database == Tally::default();
        assert!(perfect, "{self:#?}");
    }
}

/// Counts what is stored of what `clients` sent under `name`.
pub fn judge(container: &Container, name: &str, clients: Vec<Client>) -> Outcome {
    let ledger = segments(container);
    let in_ledger = ledger.values().flat_map(|text| text.lines()).filter_map(id);
    let rows = container.sql(&format!("SELECT id FROM events WHERE event_type = 'load.{name}'"));
    Outcome {
        sent: clients.iter().map(|client| client.sent).sum(),
        ledger: tally(in_ledger, name, &clients),
        database: tally(rows.lines(), name, &clients),
        disconnected: clients.into_iter().filter_map(|client| client.lost).collect(),
    }
}

/// The text of each segment, by its header; of a segment and its compressed copy, the longer one.
pub fn segments(container: &Container) -> BTreeMap<String, String> {
    let mut segments = BTreeMap::<String, String>::new();
    for entry in fs::read_dir(container.path("/var/log/auditlogd")).expect("reads") {
        // A segment may be renamed or compressed meanwhile, then it is met under its new name.
        let Ok(bytes) = fs::read(entry.expect("reads").path()) else { continue };
        let bytes = match bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            true => zstd::decode_all(&bytes[..]).expect("a whole zstd frame"),
            false => bytes,
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some(header) = text.lines().next().filter(|line| line.starts_with("{\"auditlog\":1,"))
        else {
            continue;
        };
        let known = segments.entry(header.to_owned()).or_default();
        if text.len() > known.len() {
            *known = text;
        }
    }
    segments
}

/// The segments' texts in the order of the log.
pub fn in_order(container: &Container) -> Vec<String> {
    let first = |header: &str| -> Option<u64> {
        header.split_once("\"first_seq\":")?.1.split(',').next()?.parse().ok()
    };
    let mut segments: Vec<_> = segments(container).into_iter().collect();
    segments.sort_by_key(|(header, _)| first(header));
    segments.into_iter().map(|(_, text)| text).collect()
}

/// When a line of the ledger was committed, nanoseconds since 1970.
pub fn time(line: &str) -> Option<i128> {
    let text = line.split_once("\"ts\":\"")?.1.split('"').next()?;
    Some(text.parse::<jiff::Timestamp>().ok()?.as_nanosecond())
}

/// The id of a line of the ledger.
pub fn id(line: &str) -> Option<&str> {
    line.split_once("\"id\":\"")?.1.split('"').next()
}

fn tally<'a>(ids: impl Iterator<Item = &'a str>, name: &str, clients: &[Client]) -> Tally {
    let mut counts: Vec<Vec<u8>> = clients.iter().map(|client| vec![0; client.sent]).collect();
    for id in ids {
        let Some((client, n)) = position(id, name) else { continue };
        // One more may be stored than was counted: the one whose write a lost connection interrupted.
        if let Some(count) = counts[client].get_mut(n) {
            *count = count.saturating_add(1);
        }
    }
    let mut tally = Tally::default();
    for (client, counts) in counts.iter().enumerate() {
        for (n, count) in counts.iter().enumerate().filter(|(_, count)| **count != 1) {
            match count {
                0 => tally.lost += 1,
                _ => tally.duplicated += 1,
            }
            if tally.examples.len() < 10 {
                tally.examples.push(format!("{name}-{client}-{n}: {count} times"));
            }
        }
    }
    tally
}

/// The client and the number that an id of this test names.
fn position(id: &str, name: &str) -> Option<(usize, usize)> {
    let (client, n) = id.strip_prefix(name)?.strip_prefix('-')?.split_once('-')?;
    Some((client.parse().ok()?, n.parse().ok()?))
}
