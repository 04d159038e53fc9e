//! Somebody else is in the directory.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;

use auditlogd::config::Compression;
use auditlogd::fs::Real;
use auditlogd::maintain::compress::{CompressError, compress};
use auditlogd::maintain::staging::clear_leftovers;

use super::common::lab::Lab;
use super::helpers::*;

#[test]
fn told_to_stop_at_any_moment_it_leaves_everything_as_it_was() {
    let (lab, _) = log();
    let found = closed(lab.root()).remove(0);
    let before = files(lab.root());
    let mut stops = 0;
    loop {
        let calls = Cell::new(0);
        let stop = || {
            calls.set(calls.get() + 1);
            calls.get() > stops
        };
        let dir = lab.paths().log_dir;
        match compress(&Real::default(), &dir, &found, Compression::Zstd, &stop) {
            Ok(done) => break assert!(done.is_some()),
            Err(CompressError::Stopped(path)) => assert_eq!(path, found.path),
            Err(other) => panic!("{other}"),
        }
        assert_eq!(files(lab.root()), before);
        stops += 1;
    }
    assert!(stops >= 3, "it asked {stops} times");
}

/// Runs `meddle` at each moment at which a compression asks whether to stop, in a fresh log each.
fn at_each_moment(meddle: impl Fn(&Lab)) {
    let mut moment = 0;
    loop {
        let (lab, auditor) = log();
        let found = closed(lab.root()).remove(0);
        let meddled = Cell::new(false);
        let calls = Cell::new(0);
        let stop = || {
            if calls.get() == moment {
                meddle(&lab);
                meddled.set(true);
            }
            calls.set(calls.get() + 1);
            false
        };
        let dir = lab.paths().log_dir;
        let done = compress(&Real::default(), &dir, &found, Compression::Zstd, &stop);
        if !meddled.get() {
            break;
        }
        let error = done.expect_err("it was changed");
        assert!(matches!(error, CompressError::Changed(_) | CompressError::Differs(_)), "{error}");
        let names = names(lab.root());
        assert!(names.iter().all(|name| !name.ends_with(".zst")), "{names:?}");
        assert_eq!(names.len(), 3);
        drop(auditor);
        moment += 1;
    }
    assert!(moment >= 3, "{moment} moments");
}

#[test]
fn a_segment_that_is_renamed_meanwhile_stays() {
    at_each_moment(|lab| {
        let path = lab.paths().log_dir.join("audit.jsonl-0");
        fs::rename(&path, with(&path, ".1")).expect("renames");
    });
}

#[test]
fn a_segment_that_grows_meanwhile_stays() {
    at_each_moment(|lab| {
        let path = lab.paths().log_dir.join("audit.jsonl-0");
        let mut file = fs::File::options().append(true).open(path).expect("opens");
        std::io::Write::write_all(&mut file, b"{}\n").expect("appends");
    });
}

#[test]
fn a_segment_that_is_replaced_by_one_of_its_size_and_time_meanwhile_stays() {
    at_each_moment(|lab| {
        let path = lab.paths().log_dir.join("audit.jsonl-0");
        let time = fs::metadata(&path).and_then(|meta| meta.modified()).expect("a time");
        let other = lab.root().join("other");
        fs::copy(&path, &other).expect("copies");
        let file = fs::File::options().append(true).open(&other).expect("opens");
        file.set_modified(time).expect("sets");
        fs::rename(other, path).expect("renames");
    });
}

#[test]
fn what_does_not_read_back_the_same_is_thrown_away() {
    for form in FORMS {
        let (lab, _) = log();
        let found = closed(lab.root()).remove(0);
        let text = grow(&found, 4 << 20);
        let dir = lab.paths().log_dir;
        let staged = dir.join(".maintenance").join(format!("audit.jsonl-0{}", ending(form)));
        // It asks before each block of 256 KiB that it reads, and then while it compares.
        let blocks = text.len().div_ceil(256 << 10);
        let calls = Cell::new(0);
        let spoils = || {
            calls.set(calls.get() + 1);
            if calls.get() == blocks + 1 {
                spoil(&staged);
            }
            false
        };
        let error = compress(&Real::default(), &dir, &found, form, &spoils).expect_err("spoilt");
        assert!(matches!(error, CompressError::Differs(_)), "{calls:?}: {error}");
        assert!(fs::read(&found.path).expect("reads") == text);
        assert_eq!(names(lab.root()).len(), 3);
    }
}

#[test]
fn another_file_in_its_place_stays() {
    let (lab, _) = log();
    let found = closed(lab.root()).remove(0);
    fs::write(&found.path, "something else\n").expect("writes");
    let before = files(lab.root());
    let error = press(&Real::default(), lab.root(), &found, Compression::Zstd);
    assert!(matches!(error, Err(CompressError::Changed(_))));
    assert_eq!(files(lab.root()), before);
}

#[test]
fn a_name_that_is_taken_is_never_overwritten_and_that_is_said() {
    let (lab, auditor) = log();
    let found = closed(lab.root()).remove(0);
    let target = with(&found.path, ".zst");
    let other = closed(lab.root()).remove(1);
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).expect("zstd");
    let whole = zstd(&fs::read(&found.path).expect("reads"));
    let foreign = zstd(&fs::read(&other.path).expect("reads"));
    let cut = whole[..whole.len() - 3].to_vec();
    let more = [&whole[..], &zstd(b"more")].concat();
    for there in [b"junk".to_vec(), Vec::new(), foreign, cut, more] {
        fs::write(&target, &there).expect("writes");
        let before = files(lab.root());
        let error = press(&Real::default(), lab.root(), &found, Compression::Zstd);
        let error = error.expect_err("taken").to_string();
        assert!(error.contains("audit.jsonl-0.zst\" is there already"), "{error}");
        assert_eq!(files(lab.root()), before);
    }
    // No reader follows a link, so what it leads to is not in the log.
    let elsewhere = lab.root().join("elsewhere");
    fs::write(&elsewhere, &whole).expect("writes");
    fs::remove_file(&target).expect("removes");
    symlink(&elsewhere, &target).expect("links");
    let error = press(&Real::default(), lab.root(), &found, Compression::Zstd);
    assert!(matches!(error, Err(CompressError::Taken { .. })));
    assert!(found.path.exists());
    assert_ok(lab.root(), &auditor, "untouched");
}

#[test]
fn somebodys_own_compression_of_the_same_takes_its_place() {
    for (form, to) in [(0, 0), (1, 1), (1, 0), (0, 1)] {
        let (lab, auditor) = log();
        let found = closed(lab.root()).remove(0);
        let target = with(&found.path, ending(FORMS[form]));
        // As `zstd -k` and `gzip -k` leave it.
        let bytes = fs::read(&found.path).expect("reads");
        press(&Real::default(), lab.root(), &found, FORMS[form]).expect("compresses");
        let packed = fs::read(&target).expect("reads");
        fs::write(&found.path, bytes).expect("writes");
        press(&Real::default(), lab.root(), &found, FORMS[to]).expect("compresses");
        assert!(!found.path.exists());
        assert_eq!(fs::read(&target).expect("reads"), packed);
        assert_ok(lab.root(), &auditor, "taken over");
    }
}

#[test]
fn leftovers_are_removed_and_nothing_else() {
    let (lab, auditor) = log();
    let dir = lab.paths().log_dir;
    assert_eq!(clear_leftovers(&Real::default(), &dir).expect("nothing there"), 0);
    let staging = dir.join(".maintenance");
    fs::create_dir(&staging).expect("creates");
    let found = closed(lab.root()).remove(0);
    fs::write(staging.join("audit.jsonl-0.zst"), "half").expect("writes");
    fs::write(staging.join("of long ago.gz"), "half").expect("writes");
    // Also without clearing, what is left over is in nobody's way.
    press(&Real::default(), lab.root(), &found, Compression::Zstd).expect("compresses");
    assert_eq!(clear_leftovers(&Real::default(), &dir).expect("clears"), 1);
    assert_eq!(names(lab.root()), ["audit.jsonl", "audit.jsonl-0.zst", "audit.jsonl-1"]);
    assert_ok(lab.root(), &auditor, "cleared");
    // Where somebody put a link, the files behind it are not ours.
    fs::remove_dir(&staging).expect("removes");
    let elsewhere = lab.root().join("elsewhere");
    fs::create_dir(&elsewhere).expect("creates");
    fs::write(elsewhere.join("precious"), "").expect("writes");
    symlink(&elsewhere, &staging).expect("links");
    let refused = clear_leftovers(&Real::default(), &dir).expect_err("is said").to_string();
    assert!(refused.contains(".maintenance") && refused.contains("no directory"), "{refused}");
    assert!(elsewhere.join("precious").exists());
}
