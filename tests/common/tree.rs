//! Configuration files as an operator writes them.

use auditlogd::config::{Config, Sources, load};
use tempfile::TempDir;

/// A root directory with configuration files in it.
pub struct Tree {
    pub root: TempDir,
    pub sources: Sources,
}

impl Tree {
    pub fn new() -> Self {
        let root = TempDir::new().expect("temporary directory");
        std::fs::create_dir_all(root.path().join("etc/auditlogd/conf.d")).expect("directories");
        let sources = Sources { root: Some(root.path().into()), ..Sources::default() };
        Self { root, sources }
    }

    /// A tree whose main file has this text.
    pub fn with(text: &str) -> Self {
        Self::new().file("auditlogd.toml", text)
    }

    pub fn file(self, name: &str, text: &str) -> Self {
        std::fs::write(self.root.path().join("etc/auditlogd").join(name), text).expect("file");
        self
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.env.insert(name.into(), value.into());
        self
    }

    pub fn load(&self) -> Config {
        load(&self.sources).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn error(&self) -> String {
        let error = load(&self.sources).expect_err("must be refused").to_string();
        assert!(!error.contains('\n'), "one sentence: {error}");
        error
    }
}

/// Asserts that the text as main file is refused with a message that has all the parts.
pub fn refused(text: &str, parts: &[&str]) {
    let error = Tree::with(text).error();
    for part in parts {
        assert!(error.contains(part), "{text:?} gave: {error}\nwithout: {part}");
    }
}
