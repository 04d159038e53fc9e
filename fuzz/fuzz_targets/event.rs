//! Lines as clients may send them. Run it with `cargo +nightly fuzz run event`.
#![no_main]

use std::sync::LazyLock;

use auditlogd::event::{FieldMap, RejectCode, admit, parse};
use libfuzzer_sys::fuzz_target;
use serde::de::IgnoredAny;

/// The built-in map, and one with levels, array indexes and a failure rule.
static MAPS: LazyLock<[FieldMap; 2]> = LazyLock::new(|| {
    let pointers = [("actor".to_string(), vec!["/a/0/b".to_string(), "/user".to_string()])];
    let deep = FieldMap::new(&pointers, &["/e/c".to_string()], &["actor".to_string()]);
    [FieldMap::builtin(), deep.expect("valid pointers")]
});

fuzz_target!(|text: &str| {
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
    }
});
