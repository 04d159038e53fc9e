//! Every file of JSONTestSuite, as a line and within an event. A line that is valid JSON and an object is stored byte
//! for byte, any other is refused with a record, and none of them gets lost.

use std::collections::BTreeMap;

use auditlogd::ledger::line::{Body, parse};
use data_encoding::BASE64;

use crate::common::{Client, Daemon};
use crate::{as_stored, refused, stops_clean};

const FILES: &str = include_str!("../json_suite/parsing");

/// RFC 8259 lets a parser choose; the daemon refuses a member that stands twice.
const DUPLICATES: [&str; 2] = ["y_object_duplicated_key", "y_object_duplicated_key_and_value"];

fn files() -> Vec<(&'static str, Vec<u8>)> {
    let file = |line: &'static str| {
        let (name, text) = line.split_once(' ').expect("a name and a text");
        (name, BASE64.decode(text.as_bytes()).expect("base64"))
    };
    let mut files: Vec<_> = FILES.lines().map(file).collect();
    files.push(("n_structure_100000_opening_arrays", vec![b'['; 100_000]));
    files.push(("n_structure_open_array_object", [&b"[{\"\":".repeat(50_000)[..], b"\n"].concat()));
    // As long as the longest line, so that it is looked at.
    files.push(("n_structure_60000_opening_arrays", vec![b'['; 60_000]));
    files.push(("n_structure_short_open_array_object", b"[{\"\":".repeat(10_000)));
    files
}

/// A text in the place of a value of an event.
fn wrapped(text: &[u8]) -> Vec<u8> {
    [b"{\"value\":", text, b"}"].concat()
}

/// What the daemon takes for nothing.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| b" \t\r".contains(byte))
}

/// A client, and what became of its lines.
struct Sender {
    client: Client,
    lines: u64,
    refused: u64,
    /// The texts that were stored, by their sequence number.
    stored: BTreeMap<u64, String>,
}

impl Sender {
    /// Sends lines, one after the other; the code of each that was refused.
    fn send(&mut self, text: &[u8]) -> Vec<Option<String>> {
        let mut results = Vec::new();
        for line in text.split(|byte| *byte == b'\n') {
            self.client.send([line, b"\n"].concat());
            if !is_blank(line) {
                results.push(self.result(line));
            }
        }
        results
    }

    fn result(&mut self, line: &[u8]) -> Option<String> {
        self.lines += 1;
        let reply = self.client.reply().expect("each line has a reply");
        if let Some(seq) = reply["ack"]["seq"].as_u64() {
            assert_eq!(reply["ack"]["line"], self.lines);
            self.stored.insert(seq, as_stored(std::str::from_utf8(line).expect("UTF-8")));
            return None;
        }
        assert_eq!(reply["reject"]["line"], self.lines, "{reply}");
        self.refused += 1;
        Some(reply["reject"]["code"].as_str().expect("a code").to_owned())
    }
}

/// What must become of a file's text, where the suite says so.
fn expect(name: &str, text: &[u8], as_it_is: &[Option<String>], in_event: &[Option<String>]) {
    let object = text.trim_ascii().first() == Some(&b'{');
    let codes = |results: &[Option<String>]| format!("{name}: {results:?}");
    match (&name[..2], as_it_is, in_event) {
        _ if text.trim_ascii().contains(&b'\n') => {
            // An event is one line: each part of such a text is a line of its own, and none of these is an object.
            let accepted = as_it_is.iter().chain(in_event).any(Option::is_none);
            assert!(!accepted, "{}", codes(as_it_is));
        }
        ("y_", [whole], [value]) => {
            let code = match object {
                true if DUPLICATES.contains(&name) => Some("duplicate_key"),
                true => None,
                false => Some("not_an_object"),
            };
            assert_eq!(whole.as_deref(), code, "{name}");
            assert_eq!(*value, None, "{name}");
        }
        ("n_", whole, value) => {
            assert!(whole.iter().chain(value).all(Option::is_some), "{} {value:?}", codes(whole));
        }
        // What the daemon chooses: escapes of lone surrogates and numbers of any size, in UTF-8 and not too deep.
        ("i_", [_], [value]) => {
            let accepted = std::str::from_utf8(text).is_ok() && !name.starts_with("i_structure");
            assert_eq!(value.is_none(), accepted, "{name}: {value:?}");
        }
        (_, whole, value) => panic!("{} {value:?}", codes(whole)),
    }
}

#[test]
fn every_file_of_the_suite_is_stored_byte_for_byte_or_refused_with_a_record() {
    let daemon = Daemon::start_with("[ingest]\nreject_records_burst = 100000\n");
    let client = daemon.greeted();
    let mut sender = Sender { client, lines: 0, refused: 0, stored: BTreeMap::new() };
    let files = files();
    assert_eq!(files.len(), 320);
    for (name, text) in &files {
        let as_it_is = sender.send(text);
        // A newline at the end ends the file's line, and would end the event's too early.
        let in_event = sender.send(&wrapped(text.strip_suffix(b"\n").unwrap_or(text)));
        expect(name, text, &as_it_is, &in_event);
    }
    assert_eq!(sender.lines, sender.stored.len() as u64 + sender.refused);
    assert_eq!(refused(&daemon), sender.refused);

    let ledger = std::fs::read(daemon.segment()).expect("reads");
    let mut stored = BTreeMap::new();
    for line in ledger.split(|byte| *byte == b'\n').filter_map(|line| parse(line).ok()) {
        if let Body::Event { event, .. } = line.body {
            stored.insert(line.seq, event.to_owned());
        }
    }
    for (seq, text) in &sender.stored {
        assert_eq!(stored.get(seq), Some(text));
    }

    daemon.settle();
    let database = rusqlite::Connection::open(daemon.database()).expect("opens");
    let count =
        |sql: &str| -> i64 { database.query_row(sql, [], |row| row.get(0)).expect("queries") };
    assert_eq!(count("SELECT count(*) FROM events WHERE NOT json_valid(event)"), 0);
    let own =
        "SELECT count(*) FROM events WHERE event_type IS NULL OR event_type NOT LIKE 'auditlogd.%'";
    assert_eq!(count(own), sender.stored.len() as i64);
    drop(database);
    stops_clean(daemon);
}
