//! The published vectors in `tests/vectors/`: fixed keys and a fixed clock give exactly these bytes, and
//! every value on the way to them follows from docs/ledger-format.md. `tests/vectors/README.md` says
//! how to use them for another implementation. With AUDITLOGD_BLESS=1 they are written anew.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use flate2::read::GzDecoder;

mod common;
#[path = "vectors/life.rs"]
mod life;
#[path = "vectors/steps.rs"]
mod steps;

const NAMES: [&str; 3] = ["clean", "crashed", "pruned"];
/// Those that hold all their leaves.
const WHOLE: [&str; 2] = ["clean", "crashed"];

/// Where the vectors are; written anew before the first look, if that is wanted.
fn home() -> PathBuf {
    static BLESSED: Once = Once::new();
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    BLESSED.call_once(|| {
        for name in NAMES.iter().filter(|_| std::env::var_os("AUDITLOGD_BLESS").is_some()) {
            let made = made(name);
            copy(made.path(), &home.join(name));
            if WHOLE.contains(name) {
                fs::write(home.join(name).join("steps.json"), steps::of(made.path()))
                    .expect("write");
            }
        }
    });
    home
}

/// Writes the log `name` into a fresh directory, by the ledger itself.
fn made(name: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("dir");
    life::live(name, dir.path()).expect("a life without faults");
    dir
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap_or_else(|e| panic!("{dir:?}: {e}"));
    let name = |e: fs::DirEntry| e.file_name().into_string().expect("utf-8");
    let mut names: Vec<_> = entries.map(|e| name(e.expect("entry"))).collect();
    names.retain(|name| name != "steps.json");
    names.sort();
    names
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("dir");
    for name in names_in(from) {
        fs::write(to.join(&name), fs::read(from.join(&name)).expect("read")).expect("write");
    }
}

/// Exit code and output of `auditlog verify` on a copy of the log `name`, with that log's genesis key.
fn verify(name: &str, dir: &Path, with_auditor_key: bool) -> (i32, String) {
    let keys = home().join(name);
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditlog"));
    command.arg("verify").arg(dir).arg("--key").arg(keys.join("genesis.pub"));
    if with_auditor_key {
        command.arg("--auditor-key").arg(keys.join("auditor.key"));
    }
    let output = command.output().expect("auditlog");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().unwrap_or(-1), text + &String::from_utf8_lossy(&output.stderr))
}

/// What is in a file that may be compressed: another version of the compressor may write it in other bytes.
fn unpacked(bytes: Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    match bytes[..] {
        [0x1f, 0x8b, ..] => drop(GzDecoder::new(&bytes[..]).read_to_end(&mut out).expect("gzip")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => out = zstd::decode_all(&bytes[..]).expect("zstd"),
        _ => return bytes,
    }
    out
}

#[test]
fn fixed_keys_and_a_fixed_clock_give_exactly_these_bytes() {
    for name in NAMES {
        let (made, published) = (made(name), home().join(name));
        assert_eq!(names_in(made.path()), names_in(&published), "{name}");
        for file in names_in(&published) {
            let bytes = |dir: &Path| unpacked(fs::read(dir.join(&file)).expect("read"));
            assert!(bytes(made.path()) == bytes(&published), "{name}/{file} differs");
        }
    }
}

#[test]
fn every_value_on_the_way_follows_from_the_format() {
    for name in WHOLE {
        let found = steps::of(made(name).path());
        let path = home().join(name).join("steps.json");
        let published = fs::read_to_string(path).expect("steps.json");
        assert!(found == published, "{name}/steps.json differs");
    }
}

#[test]
fn the_published_logs_have_the_published_verdicts() {
    for (name, code) in [("clean", 0), ("crashed", 5), ("pruned", 0)] {
        let (found, text) = verify(name, &home().join(name), true);
        assert_eq!(found, code, "{name}: {text}");
    }
}

/// Each case of changes.json is one edit of a log, the clean one if it names no other; the verdict is the exit code.
#[test]
fn each_changed_copy_has_the_published_verdict() {
    let text = fs::read_to_string(home().join("changes.json")).expect("changes.json");
    let cases: Vec<serde_json::Value> = serde_json::from_str(&text).expect("json");
    assert!(cases.len() >= 12, "{}", cases.len());
    for case in cases {
        let (name, file) = (case["name"].as_str(), case["file"].as_str().expect("file"));
        let dir = tempfile::tempdir().expect("dir");
        let log = case["log"].as_str().unwrap_or("clean");
        copy(&home().join(log), dir.path());
        let path = dir.path().join(file);
        match (case["find"].as_str(), case["put"].as_str()) {
            (Some(find), Some(put)) => {
                let text = fs::read_to_string(&path).expect("read");
                assert!(text.contains(find), "{name:?}: {find} is not in {file}");
                fs::write(&path, text.replacen(find, put, 1)).expect("write");
            }
            _ => fs::remove_file(&path).expect("remove"),
        }
        let (code, text) = verify(log, dir.path(), case["auditor_key"] == true);
        assert_eq!(Some(i64::from(code)), case["exit"].as_i64(), "{name:?}: {text}");
        if let Some(seq) = case["seq"].as_u64() {
            assert!(text.contains(&format!("seq {seq},")), "{name:?}: {text}");
        }
    }
}
