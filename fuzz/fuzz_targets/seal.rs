//! Seals. Run it with `cargo +nightly fuzz run seal fuzz/corpus/seal fuzz/seeds/seal`.
#![no_main]

use auditlogd::ledger::seal::{parse, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &str| {
    if let Ok(seal) = parse(json) {
        let members = serde_json::to_string(&seal).expect("serializes");
        assert!(json.starts_with(members.trim_end_matches('}')), "one seal has one form");
    }
    assert!(!verify(json.as_bytes(), &[0; 16], &[1; 32]), "nobody has that key");
});
