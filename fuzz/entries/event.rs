//! Lines as clients may send them: what is accepted is JSON, keeps its meaning in the log, and comes out of it again.

use std::sync::LazyLock;

use auditlogd::event::{FieldMap, RejectCode, admit, parse};
use auditlogd::ingest::check::{Checked, MAX_STORED, check, greeting, is_blank};
use auditlogd::ingest::framing::Line;
use auditlogd::ledger::line::{self, Body, push_event, push_tail};
use serde::de::IgnoredAny;

/// The built-in map, and one with levels, array indexes and a failure rule.
static MAPS: LazyLock<[FieldMap; 2]> = LazyLock::new(|| {
    let pointers = [("actor".to_string(), vec!["/a/0/b".to_string(), "/user".to_string()])];
    let deep = FieldMap::new(&pointers, &["/e/c".to_string()], &["actor".to_string()]);
    [FieldMap::builtin(), deep.expect("valid pointers")]
});

/// One input.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let valid = serde_json::from_str::<IgnoredAny>(text).is_ok();
    for map in MAPS.iter() {
        match parse(text, map) {
            Ok(event) => {
                assert!(valid, "accepted what is no JSON");
                let _ = admit(&event, map);
            }
            Err(reject) if reject.code == RejectCode::InvalidJson => {
                assert!(!valid || reject.message.contains("nested deeper"), "{reject}");
            }
            Err(_) => assert!(valid, "told apart what is no JSON"),
        }
        if !text.contains('\n') {
            whole_line(text, map);
        }
    }
}

fn whole_line(text: &str, map: &FieldMap) {
    let line = Line::Text(text);
    let _ = greeting(&line);
    let Ok(Some(Checked { event, id, .. })) = check(&line, map, MAX_STORED) else { return };
    assert!(!is_blank(&line) && event.len() <= MAX_STORED);
    assert!(!event.contains(['\r', '\n', '\u{85}', '\u{2028}', '\u{2029}']), "{event:?}");
    // It means the same to the index as it did at the door, and stays as it is.
    assert_eq!(parse(&event, map), parse(text, map));
    assert_eq!(auditlogd::json::one_line(&event), event);

    let mut id_json = Vec::new();
    auditlogd::json::push_string(&mut id_json, id.as_deref().unwrap_or("x-1"));
    let mut stored = Vec::new();
    let (ts, peer) = ("2026-11-21T01:23:45.123456789Z", r#"{"pid":1,"uid":0}"#);
    push_event(&mut stored, 7, ts, &id_json, peer, event.as_bytes());
    push_tail(&mut stored, &[7; 32]);
    assert!(stored.len() <= 65_535, "{}", stored.len());
    let read = line::parse(&stored).expect("what is written can be read");
    match read.body {
        Body::Event { peer: found, event: text } => assert_eq!((found, text), (peer, &*event)),
        Body::Seal { .. } => panic!("an event is no seal"),
    }
}
