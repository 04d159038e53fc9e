//! What somebody else puts into an archive's directory: the daemon is root there, and must not be led away.

use std::fs;
use std::os::unix::fs::symlink;

use super::helpers::*;

#[test]
fn a_link_in_place_of_the_staging_directory_leads_nowhere() {
    let (lab, auditor) = log();
    let (path, state, log_dir) = (place(lab.root()), lab.paths().state_dir, lab.paths().log_dir);
    let before = [files(&state), files(&log_dir)];
    for target in [&state, &log_dir] {
        let staging = path.join(".maintenance");
        symlink(target, &staging).expect("links");
        let done = run(lab.root(), &directory(&path));
        assert_eq!(done.segments, 0, "{done:?}");
        let [error] = &done.errors[..] else { panic!("{done:?}") };
        assert!(error.contains(".maintenance") && error.contains("no directory"), "{error}");
        assert!([files(&state), files(&log_dir)] == before, "the log was touched");
        fs::remove_file(&staging).expect("removes");
    }
    hands_over(lab.root(), &directory(&path), 2);
    verify(&auditor, &path).clean();
}

#[test]
fn a_link_to_the_log_itself_is_no_copy() {
    let (lab, auditor) = log();
    let path = place(lab.root());
    hands_over(lab.root(), &directory(&path), 2);
    let name = files(&path).into_keys().next().expect("a segment");
    let link = path.join(name);
    fs::remove_file(&link).expect("removes");
    fs::remove_file(lab.paths().state_dir.join("archives.json")).expect("removes");
    symlink(&closed(lab.root())[0].path, &link).expect("links");
    let done = run(lab.root(), &directory(&path));
    assert_eq!(done.segments, 1, "the other one is there already: {done:?}");
    assert!(done.errors[0].contains("is there already and holds something else"), "{done:?}");
    fs::remove_file(&link).expect("removes");
    hands_over(lab.root(), &directory(&path), 1);
    verify(&auditor, &path).clean();
}
