//! What an attacker does to files.

use std::fs;
use std::path::Path;

/// The lines of a file, each with its LF.
pub fn lines(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).expect("reads");
    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

pub fn put(path: &Path, lines: &[Vec<u8>]) {
    fs::write(path, lines.concat()).expect("writes");
}

/// Changes the lines of a file.
pub fn edit(path: &Path, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut all = lines(path);
    change(&mut all);
    put(path, &all);
}

/// Replaces the one occurrence of a text in a file.
pub fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("reads");
    assert_eq!(text.matches(from).count(), 1, "{from} in {path:?}");
    fs::write(path, text.replace(from, to)).expect("writes");
}

/// Copies a directory's files, as a backup does.
pub fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("creates");
    for entry in fs::read_dir(from).expect("reads") {
        let entry = entry.expect("reads");
        match entry.file_type().expect("known") {
            kind if kind.is_dir() => copy_dir(&entry.path(), &to.join(entry.file_name())),
            kind if kind.is_file() => {
                fs::copy(entry.path(), to.join(entry.file_name())).expect("copies");
            }
            _a_socket => {}
        }
    }
}
