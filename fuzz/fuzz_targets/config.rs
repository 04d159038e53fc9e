//! Configuration files. Run it with `cargo +nightly fuzz run config`.
#![no_main]

use auditlogd::config::{Sources, load};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = std::env::temp_dir().join(format!("auditlogd-fuzz-{}.toml", std::process::id()));
    let read = |text: &str| {
        std::fs::write(&file, text).expect("temporary file");
        let root = Some("/r".into());
        load(&Sources { root, config: Some(file.clone()), ..Sources::default() })
    };
    if let Ok(config) = read(text) {
        let again = read(&config.to_toml()).expect("what is printed can be read");
        assert_eq!(again, config);
    }
});
