//! Every step of taking the auditor key away fails in every way, the process is as good as dead, and
//! somewhere there is a whole copy.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use auditlogd::fs::faulty::{Fault, Faulty};
use auditlogd::fs::{Fs, Real};
use auditlogd::ledger::Paths;
use auditlogd::ledger::auditor::{HostCopy, KeyError, end_removal};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

fn paths(dir: &Path) -> Paths {
    Paths { log_dir: dir.join("log"), state_dir: dir.join("state") }
}

fn take(disk: &dyn Fs, paths: &Paths, target: &Path) -> Result<(), KeyError> {
    let key = HostCopy::open(disk, paths)?;
    key.copy_to(disk, target)?;
    key.remove(disk)
}

fn holds_key(path: &Path) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text == format!("{KEY}\n"))
}

fn new_log() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("dir");
    fs::create_dir(dir.path().join("state")).expect("state dir");
    fs::write(paths(dir.path()).auditor_key(), format!("{KEY}\n")).expect("writes");
    dir
}

#[test]
fn a_crash_at_any_step_leaves_a_whole_copy_and_the_next_try_ends_it() {
    let mut steps = 0;
    loop {
        let mut done = false;
        for fault in [Fault::NotDone, Fault::Done, Fault::Half] {
            let dir = new_log();
            let paths = paths(dir.path());
            let (host, target) = (paths.auditor_key(), dir.path().join("away"));
            let disk = Faulty::new(steps, fault, ErrorKind::Other);
            done = take(&disk, &paths, &target).is_ok();
            let context = format!("step {steps} {fault:?}");
            assert!(holds_key(&host) || holds_key(&target), "no copy is left: {context}");
            if done {
                continue;
            }
            end_removal(&Real::default(), &paths).expect("removes");
            match take(&Real::default(), &paths, &dir.path().join("again")) {
                Ok(()) => assert!(holds_key(&dir.path().join("again")), "{context}"),
                Err(KeyError::Away(_)) => assert!(holds_key(&target), "{context}"),
                Err(e) => panic!("{context}: {e}"),
            }
            assert!(!host.exists(), "{context}");
        }
        if done {
            break;
        }
        steps += 1;
    }
    assert!(steps >= 8, "create, write, sync, sync, open, write, sync, remove, sync: {steps}");
}

#[test]
fn two_at_once_do_not_both_get_it() {
    let dir = new_log();
    let (disk, paths) = (Real::default(), paths(dir.path()));
    let first = HostCopy::open(&disk, &paths).expect("opens");
    let second = HostCopy::open(&disk, &paths).map(|_| ());
    assert!(matches!(second, Err(KeyError::Busy(_))), "{second:?}");
    first.remove(&disk).expect("removes");
    let third = HostCopy::open(&disk, &paths).map(|_| ());
    assert!(matches!(third, Err(KeyError::Away(_))), "{third:?}");
}

#[test]
fn a_file_that_holds_no_key_is_left_as_it_is() {
    let dir = new_log();
    let paths = paths(dir.path());
    fs::write(paths.auditor_key(), "not a key\n").expect("writes");
    let taken = take(&Real::default(), &paths, &dir.path().join("away"));
    assert!(matches!(taken, Err(KeyError::Damaged(_))), "{taken:?}");
    assert_eq!(fs::read_to_string(paths.auditor_key()).expect("reads"), "not a key\n");
}
