//! What an archive cannot take, and that it is said.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use auditlogd::config::Archive;

use super::helpers::*;

/// Expects a run to hand so many segments over and to say this.
fn says(root: &Path, to: &Archive, segments: u64, what: &str) {
    let done = run(root, to);
    assert_eq!(done.segments, segments, "{done:?}");
    let [error] = &done.errors[..] else { panic!("{done:?}") };
    assert!(error.contains(what), "{error}");
}

#[test]
fn a_directory_that_is_not_there_is_not_created_and_taken_into_use_once_it_is() {
    let (lab, _) = log();
    let path = lab.root().join("archive");
    let archives = open(lab.root());
    let done = run_of(&archives, lab.root(), &directory(&path));
    assert_eq!(done.segments, 0);
    let status = || archives.status(&[directory(&path)], &closed(lab.root())).remove(0);
    let failing = status();
    assert!(
        failing.error.as_ref().is_some_and(|e| e.contains("could not be found")),
        "{failing:?}"
    );
    assert_eq!((failing.waiting, done.errors.len()), (2, 1));
    run_of(&archives, lab.root(), &directory(&path));
    assert_eq!(status().failing_since, failing.failing_since);
    fs::create_dir(&path).expect("creates");
    assert_eq!(run_of(&archives, lab.root(), &directory(&path)).segments, 2);
    assert_eq!((status().error, status().failing_since, status().waiting), (None, None, 0));
}

#[test]
fn what_has_a_segments_name_is_never_overwritten_and_stops_no_other_segment() {
    let (lab, auditor) = log();
    let path = place(lab.root());
    hands_over(lab.root(), &directory(&path), 2);
    let names: Vec<_> = files(&path).into_keys().collect();
    let (first, whole) = (path.join(&names[0]), files(&path)[&names[0]].clone());
    for there in [
        b"junk".to_vec(),
        Vec::new(),
        whole[..whole.len() - 1].to_vec(),
        [&whole[..], b"{}\n"].concat(),
    ] {
        fs::remove_file(lab.paths().state_dir.join("archives.json")).expect("removes");
        fs::write(&first, &there).expect("writes");
        fs::remove_file(path.join(&names[1])).expect("removes");
        says(lab.root(), &directory(&path), 1, "is there already and holds something else");
        assert!(fs::read(&first).expect("reads") == there);
        assert!(path.join(&names[1]).exists());
    }
    fs::remove_file(&first).expect("removes");
    hands_over(lab.root(), &directory(&path), 1);
    verify(&auditor, &path).clean();
}

#[test]
fn a_directory_with_the_log_itself_is_refused_also_through_a_link() {
    let (lab, _) = log();
    for dir in [lab.paths().log_dir, lab.paths().state_dir] {
        let inner = dir.join("archive");
        fs::create_dir(&inner).expect("creates");
        let link = lab.root().join("link");
        let _none_yet = fs::remove_file(&link);
        symlink(&inner, &link).expect("links");
        for path in [&dir, &inner, &link] {
            says(lab.root(), &directory(path), 0, "is with the log itself");
        }
        assert!(files(&inner).is_empty());
    }
    let file = lab.root().join("file");
    fs::write(&file, "").expect("writes");
    says(lab.root(), &directory(&file), 0, "is no directory");
}

#[test]
fn two_logs_do_not_share_a_directory() {
    let ((one, auditor), (other, _)) = (log(), log());
    let path = place(one.root());
    hands_over(one.root(), &directory(&path), 2);
    says(other.root(), &directory(&path), 0, "holds the archive of another log");
    verify(&auditor, &path).clean();
}
