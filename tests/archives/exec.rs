//! Programs: what they get, and what becomes of slow and broken ones.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use auditlogd::config::{Archive, ArchiveTo};

use super::helpers::*;

fn script(text: &str, timeout_seconds: u64) -> Archive {
    let command = ["/bin/sh", "-c", text, "archive"].map(str::to_owned).to_vec();
    Archive { required: true, to: ArchiveTo::Exec { command, timeout_seconds } }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn a_program_gets_each_closed_segment_once_and_nothing_else_of_ours() {
    let (mut lab, _) = log();
    let out = lab.root().join("out");
    let text = format!(
        "echo $# $1 $AUDITLOGD_SEGMENT $AUDITLOGD_LOG_ID $PWD $HOME >> {}; test -r \"$1\"",
        out.display()
    );
    let to = script(&text, 30);
    let expected = |lab: &super::common::lab::Lab| -> Vec<_> {
        let line = |found: &auditlogd::ledger::segment::Found| {
            let (path, header) = (found.path.display(), &found.header);
            format!("1 {path} {} {} /", header.segment, header.log_id)
        };
        closed(lab.root()).iter().map(line).collect()
    };
    hands_over(lab.root(), &to, 2);
    hands_over(lab.root(), &to, 0);
    assert_eq!(lines(&out), expected(&lab));
    grow(&mut lab, 1);
    hands_over(lab.root(), &to, 1);
    assert_eq!(lines(&out), expected(&lab));
}

#[test]
fn a_program_that_fails_has_not_taken_it_and_is_asked_again_at_the_next_run() {
    let (lab, _) = log();
    let (tries, ready) = (lab.root().join("tries"), lab.root().join("ready"));
    let text = format!(
        "echo $AUDITLOGD_SEGMENT >> {}; test -e {} && exit 0; echo 'no tape' >&2; exit 3",
        tries.display(),
        ready.display()
    );
    let to = script(&text, 30);
    let archives = open(lab.root());
    let all = [to.clone()];
    let first = closed(lab.root()).remove(0);
    let lacking = || archives.lacking(&all, &first.header).next();
    let done = run_of(&archives, lab.root(), &to);
    let said = "it did not take segment 0: it ended with exit status: 3 and said: no tape";
    assert!(done.errors.len() == 1 && done.errors[0].ends_with(said), "{done:?}");
    assert_eq!(lacking(), Some(&to.to));
    // The rest would not fare better.
    assert_eq!(lines(&tries), ["0"]);
    fs::write(ready, "").expect("writes");
    assert_eq!(run_of(&archives, lab.root(), &to).segments, 2);
    assert_eq!(lines(&tries), ["0", "0", "1"]);
    assert_eq!(lacking(), None);
}

#[test]
fn a_program_that_takes_too_long_is_killed() {
    let (lab, _) = log();
    let began = Instant::now();
    let done = run(lab.root(), &script("exec sleep 1000", 1));
    assert!(done.errors[0].ends_with("it took longer than 1s and was killed"), "{done:?}");
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_stop_does_not_wait_for_a_program() {
    let (lab, _) = log();
    let started = lab.root().join("started");
    let to = script(&format!("echo > {}; exec sleep 1000", started.display()), 3_600);
    let archives = open(lab.root());
    let segments = segments(lab.root());
    let done = archives.hand_over(&[to], &segments, 2, &|| started.exists());
    assert_eq!(done.segments, 0);
}

#[test]
fn a_program_that_is_not_there_is_said() {
    let (lab, _) = log();
    let command = vec!["/nonexistent/archive".to_owned()];
    let to = ArchiveTo::Exec { command, timeout_seconds: 1 };
    let done = run(lab.root(), &Archive { required: true, to });
    assert!(done.errors[0].contains("could not be started: No such file"), "{done:?}");
}
