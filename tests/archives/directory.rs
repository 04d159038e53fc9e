//! Directories: copies that can be verified alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use auditlogd::config::Compression;
use auditlogd::fs::Real;
use auditlogd::maintain::compress::compress;

use super::common::lab::Lab;
use super::helpers::*;

fn press(lab: &Lab, number: usize, to: Compression) {
    let found = &closed(lab.root())[number];
    let done = compress(&Real::default(), &lab.paths().log_dir, found, to, &|| false);
    assert!(done.expect("compresses").is_some());
}

#[test]
fn each_closed_segment_is_copied_once_as_it_is_stored() {
    let (mut lab, _) = log();
    let path = place(lab.root());
    let to = directory(&path);
    press(&lab, 0, Compression::Zstd);
    hands_over(lab.root(), &to, 2);
    let there = files(&path);
    let names: Vec<_> = there.keys().collect();
    assert_eq!(names.len(), 3);
    assert!(names[0].starts_with("audit-00000000-") && names[0].ends_with(".jsonl.zst"));
    assert!(names[1].starts_with("audit-00000001-") && names[1].ends_with(".jsonl"));
    assert_eq!(names[2], "seals.jsonl");
    for (found, name) in closed(lab.root()).iter().zip(&names) {
        assert!(fs::read(&found.path).expect("reads") == there[*name]);
        let mode = fs::metadata(path.join(name)).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    hands_over(lab.root(), &to, 0);
    grow(&mut lab, 1);
    hands_over(lab.root(), &to, 1);
    assert_eq!(files(&path).len(), 4);
}

#[test]
fn an_archive_alone_can_be_verified_after_each_run() {
    let (mut lab, auditor) = log();
    let path = place(lab.root());
    for (form, new) in [(Compression::Zstd, 2), (Compression::Gzip, 1), (Compression::Zstd, 3)] {
        let last = closed(lab.root()).len() - 1;
        press(&lab, last, form);
        hands_over(lab.root(), &directory(&path), new);
        verify(&auditor, &path).clean();
        grow(&mut lab, if new == 2 { 1 } else { 3 });
    }
    // One that lost a segment is found out.
    let first = files(&path).into_keys().next().expect("a file");
    fs::remove_file(path.join(first)).expect("removes");
    verify(&auditor, &path).caught(&[]);
}

#[test]
fn an_archive_of_a_log_after_a_crash_says_what_the_log_does() {
    let (mut lab, auditor) = log();
    let path = place(lab.root());
    lab.reboot();
    lab.open();
    lab.rotate();
    lab.store(["e"]);
    hands_over(lab.root(), &directory(&path), 3);
    verify(&auditor, &path).incomplete(&[]);
}

#[test]
fn a_renamed_or_compressed_segment_is_not_handed_over_again() {
    let (lab, _) = log();
    let path = place(lab.root());
    hands_over(lab.root(), &directory(&path), 2);
    let before = files(&path);
    let first = &closed(lab.root())[0].path;
    fs::rename(first, first.with_file_name("audit.jsonl.7")).expect("renames");
    press(&lab, 1, Compression::Zstd);
    hands_over(lab.root(), &directory(&path), 0);
    assert!(files(&path) == before);
}

#[test]
fn without_its_memory_it_sees_what_is_there_in_whatever_form() {
    let (lab, auditor) = log();
    let path = place(lab.root());
    hands_over(lab.root(), &directory(&path), 2);
    let before = files(&path);
    press(&lab, 0, Compression::Zstd);
    let memory = lab.paths().state_dir.join("archives.json");
    for lost in [None, Some("{\"directory")] {
        match lost {
            None => fs::remove_file(&memory).expect("removes"),
            Some(text) => fs::write(&memory, text).expect("writes"),
        }
        // Until it has looked, nothing may be deleted.
        let to = [directory(&path)];
        let oldest = &closed(lab.root())[0].header;
        assert_eq!(open(lab.root()).lacking(&to, oldest).next(), Some(&to[0].to));
        hands_over(lab.root(), &directory(&path), 2);
        assert!(files(&path) == before);
    }
    verify(&auditor, &path).clean();
}

#[test]
fn segments_that_were_deleted_are_forgotten() {
    let (lab, _) = log();
    let path = place(lab.root());
    hands_over(lab.root(), &directory(&path), 2);
    let memory = || {
        let text = fs::read(lab.paths().state_dir.join("archives.json")).expect("reads");
        let book: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        book[format!("directory {}", path.display())]["segments"].as_array().expect("a list").len()
    };
    assert_eq!(memory(), 2);
    fs::remove_file(&closed(lab.root())[0].path).expect("removes");
    hands_over(lab.root(), &directory(&path), 0);
    assert_eq!((memory(), files(&path).len()), (1, 3), "the archive keeps it");
}

#[test]
fn what_a_required_archive_lacks_is_named_and_counted() {
    let (mut lab, _) = log();
    let path = place(lab.root());
    let archives = open(lab.root());
    let required = directory(&path);
    let other =
        auditlogd::config::Archive { required: false, ..directory(&lab.root().join("none")) };
    let all = [other, required.clone()];
    let segments = closed(lab.root());
    assert_eq!(archives.lacking(&all, &segments[0].header).next(), Some(&required.to));
    run_of(&archives, lab.root(), &required);
    assert_eq!(archives.lacking(&all, &segments[0].header).next(), None);
    assert_eq!(archives.lacking(&all, &segments[1].header).next(), None);
    grow(&mut lab, 1);
    let status = archives.status(&all, &closed(lab.root()));
    assert_eq!((status[0].required, status[0].waiting, &status[0].taken), (false, 3, &None));
    assert_eq!((status[1].required, status[1].waiting), (true, 1));
    assert!(status[1].taken.is_some() && status[1].error.is_none());
}

#[test]
fn of_a_segment_and_a_copy_that_lacks_lines_the_whole_one_is_taken() {
    let (lab, auditor) = log();
    let path = place(lab.root());
    let whole = closed(lab.root())[0].path.clone();
    let text = fs::read_to_string(&whole).expect("reads");
    let cut = text.trim_end().rfind('\n').expect("lines");
    let dir = lab.paths().log_dir;
    fs::write(dir.join("a-copy-that-is-listed-first"), &text[..=cut]).expect("writes");
    let to = directory(&path);
    assert_eq!(
        open(lab.root()).status(std::slice::from_ref(&to), &closed(lab.root()))[0].waiting,
        2
    );
    hands_over(lab.root(), &to, 2);
    let taken = files(&path).into_iter().find(|(name, _)| name.starts_with("audit-00000000-"));
    assert!(taken.expect("taken").1 == text.as_bytes());
    verify(&auditor, &path).clean();
    assert_eq!(open(lab.root()).status(&[to], &closed(lab.root()))[0].waiting, 0);
}

#[test]
fn of_files_that_contradict_each_other_none_is_taken() {
    let (lab, _) = log();
    let path = place(lab.root());
    let text = fs::read_to_string(&closed(lab.root())[0].path).expect("reads");
    let cut = text.trim_end().rfind('\n').expect("lines");
    let other = format!("{}other\n", &text[..=cut]);
    fs::write(lab.paths().log_dir.join("other"), other).expect("writes");
    let done = run(lab.root(), &directory(&path));
    assert_eq!(done.segments, 1, "the other segment is fine");
    assert!(done.errors[0].contains("none holds all of the others"), "{:?}", done.errors);
}
