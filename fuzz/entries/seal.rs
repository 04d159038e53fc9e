//! Seals.
use auditlogd::ledger::seal::{parse, verify};

/// One input.
pub fn run(bytes: &[u8]) {
    let Ok(json) = std::str::from_utf8(bytes) else { return };
    if let Ok(seal) = parse(json) {
        let members = serde_json::to_string(&seal).expect("serializes");
        assert!(json.starts_with(members.trim_end_matches('}')), "one seal has one form");
    }
    assert!(!verify(json.as_bytes(), &[0; 16], &[1; 32]), "nobody has that key");
}
