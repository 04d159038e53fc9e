//! The floors of the house: imports go down only, and siblings do not import each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and its floor; the vocabulary on floor 0 is small enough to use itself.
const FLOORS: [(&str, u8); 28] = [
    ("daemon", 5),
    ("cli", 5),
    ("ingest", 4),
    ("control", 4),
    ("publish", 4),
    ("maintain", 4),
    ("engine", 3),
    ("ledger", 2),
    ("index", 2),
    ("client", 1),
    ("config", 1),
    ("fs", 1),
    ("program", 1),
    ("kept", 1),
    ("backoff", 0),
    ("kernel", 0),
    ("event", 0),
    ("record", 0),
    ("json", 0),
    ("keysheet", 0),
    ("clock", 0),
    ("metrics", 0),
    ("outside", 0),
    ("priority", 0),
    ("retention", 0),
    ("words", 0),
    ("lib", 6),
    ("bin", 6),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// The rooms that a source text names: `crate::x`, or `crate::{x, y::z}`.
fn rooms_used(text: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for part in text.split("crate::").skip(1) {
        let names = match part.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default(),
            None => part,
        };
        let firsts: Vec<&str> =
            if part.starts_with('{') { names.split(',').collect() } else { vec![names] };
        for first in firsts {
            let end = first.trim().find(|c: char| !c.is_alphanumeric() && c != '_');
            let name = &first.trim()[..end.unwrap_or(first.trim().len())];
            rooms.push(name.to_owned());
        }
    }
    rooms
}

#[test]
fn imports_go_down_only() {
    let floors: BTreeMap<_, _> = FLOORS.into_iter().collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 30, "the sources were found");
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).expect("below src");
        let room = relative.iter().next().expect("a name").to_string_lossy().replace(".rs", "");
        let floor = floors.get(room.as_str()).unwrap_or_else(|| panic!("{room} has no floor"));
        let text = fs::read_to_string(&file).expect("a source");
        for used in rooms_used(&text) {
            let Some(below) = floors.get(used.as_str()) else { continue };
            if used != room && (below > floor || below == floor && *floor != 0) {
                wrong.push(format!("{} uses {used}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_code_is_in_the_one_room_that_says_why() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let with: Vec<_> = files
        .iter()
        .filter(|file| fs::read_to_string(file).expect("a source").contains("allow(unsafe_code)"))
        .map(|file| file.strip_prefix(&root).expect("below src").display().to_string())
        .collect();
    assert_eq!(with, ["kernel/mod.rs"]);
}
