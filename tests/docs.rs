//! What the documentation says of the tests is so.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"))
}

/// The files below a directory with this ending.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let paths =
        fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    let (dirs, mut found): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    found.retain(|path| path.extension().is_some_and(|found| found == ending));
    found.extend(dirs.iter().flat_map(|dir| files(dir, ending)));
    found
}

/// The names of the test functions in a file.
fn tests_in(path: &Path) -> Vec<String> {
    let text = read(path);
    let after_attribute = text.split("#[test]").skip(1);
    let names = after_attribute.filter_map(|rest| rest.split_once("fn ")?.1.split_once('('));
    names.map(|(name, _)| name.to_owned()).collect()
}

/// README, CHANGELOG and everything in docs: path and text.
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths = files(&root().join("docs"), "md");
    paths.extend(["README.md", "CHANGELOG.md"].map(|name| root().join(name)));
    paths.into_iter().map(|path| (path.clone(), read(path))).collect()
}

#[test]
fn each_row_of_the_table_of_attacks_has_a_test_and_each_such_test_a_row() {
    let security = read("docs/security.md");
    let number = |line: &str| line.strip_prefix("| ")?.split_once(" |")?.0.parse().ok();
    let rows: Vec<u32> = security.lines().filter_map(number).collect();
    assert_eq!(rows, (1..=23).collect::<Vec<_>>(), "the rows of docs/security.md");
    let names = files(&root().join("tests/attacks"), "rs");
    let names = names.iter().flat_map(|path| tests_in(path));
    let tested =
        names.filter_map(|name| name.strip_prefix("row_")?.split_once('_')?.0.parse().ok());
    assert_eq!(tested.collect::<BTreeSet<u32>>(), rows.into_iter().collect());
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut named = 0;
    for (document, text) in documents() {
        let parts: Vec<&str> = text.split('`').collect();
        // What stands in backticks is every second part.
        for (n, path) in parts.iter().enumerate().skip(1).step_by(2) {
            if !path.starts_with("tests/") || path.contains(char::is_whitespace) {
                continue;
            }
            named += 1;
            assert!(root().join(path).exists(), "{document:?} names {path}");
            if n >= 2 && parts[n - 1] == " in " {
                let test = parts[n - 2].to_owned();
                let found = tests_in(Path::new(path)).contains(&test);
                assert!(found, "{document:?} names {test}, which is not in {path}");
            }
        }
    }
    assert!(named > 3, "the documents were read");
}

#[test]
fn every_file_that_a_document_links_to_exists() {
    let mut links = 0;
    for (document, text) in documents() {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://") && !target.starts_with('#')) {
            links += 1;
            let path = target.split('#').next().unwrap_or_default();
            let file = document.parent().expect("a directory").join(path);
            assert!(file.exists(), "{document:?} links to {target}");
        }
    }
    assert!(links > 3, "the documents were read");
}
