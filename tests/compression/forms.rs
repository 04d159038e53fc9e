//! What compressing leaves.

use std::fs::{self, FileTimes, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, SystemTime};

use auditlogd::config::Compression;
use auditlogd::fs::Real;
use auditlogd::ledger::segment::Encoding;
use auditlogd::priority;

use super::helpers::*;

#[test]
fn a_closed_segment_becomes_one_frame_or_member_that_holds_the_same() {
    for form in FORMS {
        let (lab, auditor) = log();
        let before = files(lab.root());
        for found in closed(lab.root()) {
            let done = press(&Real::default(), lab.root(), &found, form).expect("compresses");
            let done = done.expect("it was plain");
            let name = found.path.file_name().expect("a name").to_string_lossy().into_owned();
            assert_eq!(done.path, with(&found.path, ending(form)));
            assert_eq!(text(&done.path), before[&name]);
            assert_eq!(done.before, before[&name].len() as u64);
            assert_eq!(done.after, fs::metadata(&done.path).expect("there").len());
            assert!(done.after < done.before / 2, "{done:?}");
            assert_ok(lab.root(), &auditor, &name);
        }
        let wanted = [
            "audit.jsonl".to_owned(),
            format!("audit.jsonl-0{}", ending(form)),
            format!("audit.jsonl-1{}", ending(form)),
        ];
        assert_eq!(names(lab.root()), wanted);
    }
}

#[test]
fn what_is_compressed_already_or_should_not_be_stays() {
    let (lab, _) = log();
    let before = files(lab.root());
    press_all(lab.root(), Compression::None);
    assert_eq!(files(lab.root()), before);
    press_all(lab.root(), Compression::Gzip);
    let after = files(lab.root());
    assert!(closed(lab.root()).iter().all(|found| found.encoding == Encoding::Gzip));
    press_all(lab.root(), Compression::Zstd);
    assert_eq!(files(lab.root()), after);
}

#[test]
fn mode_group_and_time_stay_and_only_the_daemon_sees_it_being_written() {
    let (lab, _) = log();
    let found = closed(lab.root()).remove(0);
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
    let file = fs::File::options().append(true).open(&found.path).expect("opens");
    file.set_permissions(Permissions::from_mode(0o604)).expect("sets");
    file.set_times(FileTimes::new().set_modified(then)).expect("sets");
    let is_root = nix::unistd::geteuid().is_root();
    if is_root {
        std::os::unix::fs::fchown(&file, None, Some(4711)).expect("gives");
    }
    let before = file.metadata().expect("there");
    let done = press(&Real::default(), lab.root(), &found, Compression::Zstd).expect("compresses");
    let path = done.expect("it was plain").path;
    let after = fs::metadata(path).expect("there");
    assert_eq!((after.mode(), after.gid()), (before.mode(), before.gid()));
    assert_eq!(after.modified().expect("a time"), then);
    let staging = lab.paths().log_dir.join(".maintenance");
    assert_eq!(fs::metadata(staging).expect("there").mode() & 0o777, 0o700);
}

#[test]
fn a_large_segment_is_compressed_block_by_block() {
    let (lab, _) = log();
    let found = closed(lab.root()).remove(0);
    let text = grow(&found, 24 << 20);
    let done = press(&Real::default(), lab.root(), &found, Compression::Zstd).expect("compresses");
    assert!(super::helpers::text(&done.expect("it was plain").path) == text);
}

/// The niceness of the thread that asks (proc_pid_stat(5), field 19).
fn niceness() -> String {
    let stat = fs::read_to_string("/proc/thread-self/stat").expect("reads");
    let (_, fields) = stat.rsplit_once(") ").expect("a name in parentheses");
    fields.split(' ').nth(16).expect("a field").to_owned()
}

#[test]
fn only_the_thread_that_maintains_is_nice() {
    let before = niceness();
    let lowered = std::thread::spawn(|| {
        priority::lower(priority::MAINTENANCE).expect("anybody may");
        niceness()
    });
    assert_eq!(lowered.join().expect("ends"), "19");
    assert_eq!(niceness(), before);
}
