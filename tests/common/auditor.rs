//! Who judges a log: with the keys that were noted when it was created, kept where no attacker on the host
//! comes.

use std::fs;
use std::path::{Path, PathBuf};

use auditlogd::ledger::verify::{self, Given, Options, Report};
use tempfile::TempDir;

use super::lab::paths;
use super::tool;

/// The keys of one log.
pub struct Auditor {
    kept: TempDir,
    genesis: [u8; 32],
    auditor: [u8; 32],
}

/// Whether the auditor key is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Macs {
    /// Every line's mac is checked.
    Checked,
    /// Only what anybody can check is checked.
    Unchecked,
}

impl Auditor {
    /// Notes the keys of the log below `root`.
    pub fn of(root: &Path) -> Self {
        let paths = paths(root);
        let kept = tempfile::tempdir().expect("temporary directory");
        fs::copy(paths.auditor_key(), kept.path().join("auditor.key")).expect("copies");
        Self { kept, genesis: key(&paths.genesis_pub()), auditor: key(&paths.auditor_key()) }
    }

    /// Verifies the log below `root` within this process.
    pub fn check(&self, root: &Path, macs: Macs) -> Report {
        self.check_with(root, macs, Vec::new())
    }

    /// The same with what was kept off the host.
    pub fn check_with(&self, root: &Path, macs: Macs, anchors: Vec<Given>) -> Report {
        let auditor_key = (macs == Macs::Checked).then_some(self.auditor.into());
        let genesis = Some(self.genesis);
        let live = true;
        let options = Options { genesis, auditor_key, anchors, live, ..Options::new(paths(root)) };
        verify::verify(&options, &mut |_, _| {})
    }

    /// Runs `auditlog verify` on the log below `root`, with these further arguments.
    pub fn verify(&self, root: &Path, macs: Macs, args: &[&str]) -> Said {
        let genesis = self.genesis_hex();
        let auditor_key = self.file("auditor.key");
        let mut all = vec!["verify", "--key", &genesis];
        if macs == Macs::Checked {
            all.extend(["--auditor-key", auditor_key.to_str().expect("utf-8")]);
        }
        all.extend(args);
        let output = tool(root, &all);
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        Said { code: output.status.code(), text }
    }

    /// The genesis key as it is given.
    pub fn genesis_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.genesis)
    }

    /// A file that the auditor keeps.
    pub fn file(&self, name: &str) -> PathBuf {
        self.kept.path().join(name)
    }
}

/// What `auditlog verify` said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub text: String,
}

impl Said {
    /// Fails unless the verdict is TAMPERED and its sentence has each of these.
    pub fn caught(&self, parts: &[&str]) {
        self.is(4, "TAMPERED: ", parts);
    }

    /// Fails unless the verdict is INCOMPLETE and its sentence has each of these.
    pub fn incomplete(&self, parts: &[&str]) {
        self.is(5, "INCOMPLETE: ", parts);
    }

    /// Fails unless the verdict is OK.
    pub fn clean(&self) {
        self.is(0, "OK", &[]);
    }

    fn is(&self, code: i32, verdict: &str, parts: &[&str]) {
        let sentence = self.text.lines().next().unwrap_or_default();
        let as_wanted = self.code == Some(code) && sentence.starts_with(verdict);
        assert!(as_wanted, "{verdict} was expected, not {:?}: {}", self.code, self.text);
        for part in parts {
            assert!(sentence.contains(part), "{part:?} is missing in: {sentence}");
        }
    }
}

fn key(path: &Path) -> [u8; 32] {
    let text = fs::read_to_string(path).expect("a key");
    let bytes = data_encoding::HEXLOWER.decode(text.trim().as_bytes()).expect("hex");
    bytes.try_into().expect("32 bytes")
}
