//! What a daemon does with its files, each a short life of one.

use std::error::Error;
use std::fs;

use auditlogd::clock::Clock;
use auditlogd::config::{Archive, ArchiveTo, Compression};
use auditlogd::ledger::auditor::HostCopy;
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::segment;
use auditlogd::ledger::{Ledger, Rescued};
use auditlogd::maintain::archive::Archives;
use auditlogd::maintain::compress::compress;
use auditlogd::maintain::staging::clear_leftovers;

use crate::common::lab::{now, paths};
use crate::maintained;
use crate::stage::Stage;

/// How it ended; a disk that fails may end it early.
pub type Ended = Result<(), Box<dyn Error>>;

/// A life.
pub type Life = fn(&Stage) -> Ended;

/// All of them, by what they are about.
pub const ALL: [(&str, Life); 11] = [
    ("create, commit, seal, stop", commit_and_seal),
    ("many lines in a commit", large_commits),
    ("rotation by the daemon", rotate),
    ("rotation by logrotate", reopen),
    ("a file that was copied and cut", rescue),
    ("a start after a crash", recover),
    ("a start after the file was renamed", recover_renamed),
    ("the auditor key is taken away", keys),
    ("compression", press),
    ("archive", archive),
    ("the engine: maintenance, holds, deletion", maintained::life),
];

fn commit_and_seal(stage: &Stage) -> Ended {
    let mut ledger = stage.open(0)?;
    stage.store(&mut ledger, now(1), &["a", "b", "c"])?;
    stage.seal(&mut ledger, Reason::Time, 2)?;
    stage.store(&mut ledger, now(3), &["d"])?;
    stage.store(&mut ledger, now(3), &["e", "f"])?;
    stage.seal(&mut ledger, Reason::Stop, 4)?;
    Ok(())
}

fn large_commits(stage: &Stage) -> Ended {
    let mut ledger = stage.open(0)?;
    for commit in 1..5 {
        let event = |n: usize| {
            format!(r#"{{"name":"{commit}-{n}","pad":"{:x<width$}"}}"#, "", width = n * 700)
        };
        stage.store_texts(&mut ledger, now(commit), (0..8).map(event).collect())?;
    }
    stage.seal(&mut ledger, Reason::Time, 6)?;
    stage.store(&mut ledger, now(7), &["last"])?;
    Ok(())
}

/// As the engine does when a segment is large enough.
fn turn(stage: &Stage, ledger: &mut Ledger, seconds: u64) -> Ended {
    stage.seal(ledger, Reason::Rotate, seconds)?;
    ledger.move_active(now(seconds))??;
    ledger.open_segment(now(seconds))?;
    Ok(())
}

fn rotate(stage: &Stage) -> Ended {
    let mut ledger = stage.open(0)?;
    for n in 1..3 {
        stage.store(&mut ledger, now(n * 10), &["a", "b"])?;
        turn(stage, &mut ledger, n * 10 + 1)?;
        stage.store(&mut ledger, now(n * 10 + 2), &["c"])?;
    }
    stage.seal(&mut ledger, Reason::Stop, 40)?;
    Ok(())
}

fn reopen(stage: &Stage) -> Ended {
    let mut ledger = stage.open(0)?;
    for n in 1..3 {
        stage.store(&mut ledger, now(n * 10), &["a", "b"])?;
        let active = stage.active();
        stage.disk.rename_by_hand(&active, &active.with_extension(format!("jsonl-{n}")));
        stage.store(&mut ledger, now(n * 10), &["before it is noticed"])?;
        stage.seal(&mut ledger, Reason::Rotate, n * 10 + 1)?;
        ledger.open_segment(now(n * 10 + 1))?;
        stage.store(&mut ledger, now(n * 10 + 2), &["c"])?;
    }
    stage.seal(&mut ledger, Reason::Stop, 40)?;
    Ok(())
}

fn rescue(stage: &Stage) -> Ended {
    let mut ledger = stage.open(0)?;
    stage.store(&mut ledger, now(1), &["a", "b", "c"])?;
    stage.seal(&mut ledger, Reason::Time, 2)?;
    stage.store(&mut ledger, now(3), &["d", "e"])?;
    let active = stage.active();
    stage.disk.copy_and_cut_by_hand(&active, &active.with_extension("jsonl-1"));
    let found = ledger.check_active()?;
    assert!(matches!(ledger.rescue(found)?, Rescued::All { .. }));
    stage.seal(&mut ledger, Reason::Rotate, 4)?;
    ledger.open_segment(now(4))?;
    stage.store(&mut ledger, now(5), &["f"])?;
    stage.seal(&mut ledger, Reason::Stop, 6)?;
    Ok(())
}

fn recover(stage: &Stage) -> Ended {
    let mut ledger = stage.open(0)?;
    stage.store(&mut ledger, now(1), &["a", "b"])?;
    drop(ledger);
    let mut ledger = stage.open(10)?;
    stage.store(&mut ledger, now(11), &["c"])?;
    // It dies in the middle of a line.
    let fs = stage.fs();
    fs.open_append(&stage.active(), auditlogd::fs::Access::Shared)?.append(b"{\"seq\":9,\"ts")?;
    drop(ledger);
    let mut ledger = stage.open(20)?;
    stage.store(&mut ledger, now(21), &["d"])?;
    stage.seal(&mut ledger, Reason::Stop, 22)?;
    Ok(())
}

fn recover_renamed(stage: &Stage) -> Ended {
    let mut ledger = stage.open(0)?;
    stage.store(&mut ledger, now(1), &["a", "b"])?;
    drop(ledger);
    let active = stage.active();
    stage.disk.rename_by_hand(&active, &active.with_extension("jsonl-1"));
    let mut ledger = stage.open(10)?;
    stage.store(&mut ledger, now(11), &["c"])?;
    stage.seal(&mut ledger, Reason::Stop, 12)?;
    drop(ledger);
    stage.disk.rename_by_hand(&active, &active.with_extension("jsonl-2"));
    let mut ledger = stage.open(20)?;
    stage.store(&mut ledger, now(21), &["d"])?;
    Ok(())
}

fn keys(stage: &Stage) -> Ended {
    let mut ledger = stage.open(0)?;
    stage.store(&mut ledger, now(1), &["a"])?;
    let (disk, paths) = (stage.fs(), paths(stage.root()));
    let key = HostCopy::open(&*disk, &paths)?;
    key.copy_to(&*disk, &stage.away("key"))?;
    key.remove(&*disk)?;
    stage.store(&mut ledger, now(2), &["b"])?;
    Ok(())
}

/// Two closed segments.
fn closed(stage: &Stage) -> Result<Ledger, Box<dyn Error>> {
    let mut ledger = stage.open(0)?;
    for n in 1..3 {
        stage.store(&mut ledger, now(n * 10), &["a", "b", "c"])?;
        turn(stage, &mut ledger, n * 10 + 1)?;
    }
    stage.store(&mut ledger, now(30), &["d"])?;
    Ok(ledger)
}

fn press(stage: &Stage) -> Ended {
    let _ledger = closed(stage)?;
    let (disk, dir) = (stage.fs(), paths(stage.root()).log_dir);
    clear_leftovers(&*disk, &dir)?;
    for (found, form) in segment::list(&dir)?.iter().zip([Compression::Zstd, Compression::Gzip]) {
        compress(&*disk, &dir, found, form, &|| false)?;
    }
    Ok(())
}

fn archive(stage: &Stage) -> Ended {
    let mut ledger = closed(stage)?;
    let place = stage.away("archive");
    if !place.exists() {
        fs::create_dir(&place)?;
    }
    let archives = Archives::open(stage.fs(), paths(stage.root()), Clock::System);
    let to = Archive { required: true, to: ArchiveTo::Directory(place) };
    let segments = segment::list(&paths(stage.root()).log_dir)?;
    let done = archives.hand_over(&[to], &segments, ledger.segment(), &|| false);
    if let Some(error) = done.errors.first() {
        return Err(error.clone().into());
    }
    stage.store(&mut ledger, now(40), &["e"])?;
    Ok(())
}
