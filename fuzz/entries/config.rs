//! Configuration files.
use auditlogd::config::{Sources, load};

/// One input.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
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
}
