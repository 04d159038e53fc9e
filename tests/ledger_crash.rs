//! Every durable step of the ledger fails in every way, the process is as good as dead, and the next
//! start must find a log without a fork that holds whatever had been synced.

mod common;

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use auditlogd::clock::Now;
use auditlogd::fs::faulty::{Fault, Faulty};
use auditlogd::fs::{Fs, Real};
use auditlogd::ledger::open::{Opened, open};
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::{Report, Verdict};
use auditlogd::ledger::{Ledger, LedgerError, Rescued};
use common::auditor::{Auditor, Macs};
use common::cases;
use common::lab::{self, commit, event, new_root, paths, setup};

/// The wall clock stands still.
fn now(seconds: u64) -> Now {
    Now { wall_ns: lab::START_NS, ..lab::now(seconds) }
}

/// What was synced before the fault.
#[derive(Default)]
struct Acked(Vec<String>);

impl Acked {
    fn commit(&mut self, ledger: &mut Ledger, names: &[&str]) -> Result<(), LedgerError> {
        let events: Vec<_> = names.iter().map(event).collect();
        commit(ledger, now(0), &events)?;
        self.0.extend(events);
        Ok(())
    }
}

/// A life of a daemon: a new log, batches, seals, a rotation by logrotate and one by itself, a stop.
fn live(dir: &Path, fs: Arc<dyn Fs>, acked: &mut Acked) -> Result<(), LedgerError> {
    let mut ledger = open(setup(dir, fs), now(0))?.ledger;
    acked.commit(&mut ledger, &["a", "b", "c"])?;
    ledger.close_epoch(Reason::Time, now(1))?;
    acked.commit(&mut ledger, &["d"])?;
    acked.commit(&mut ledger, &["e", "f"])?;
    let active = paths(dir).active();
    fs::rename(&active, active.with_extension("jsonl-1")).expect("rename as logrotate does");
    ledger.close_epoch(Reason::Rotate, now(2))?;
    ledger.open_segment(now(2))?;
    acked.commit(&mut ledger, &["g"])?;
    ledger.close_epoch(Reason::Rotate, now(3))?;
    ledger.move_active(now(3))??;
    ledger.open_segment(now(3))?;
    acked.commit(&mut ledger, &["h"])?;
    ledger.close_epoch(Reason::Stop, now(4))?;
    Ok(())
}

/// Somebody copies the active file, more is stored, and the file is cut; the daemon saves what was in it.
fn live_with_a_cut(dir: &Path, fs: Arc<dyn Fs>, acked: &mut Acked) -> Result<(), LedgerError> {
    let mut ledger = open(setup(dir, fs), now(0))?.ledger;
    acked.commit(&mut ledger, &["a", "b", "c"])?;
    ledger.close_epoch(Reason::Time, now(1))?;
    acked.commit(&mut ledger, &["d"])?;
    let active = paths(dir).active();
    fs::copy(&active, active.with_extension("jsonl-1")).expect("copy as logrotate does");
    Acked::default().commit(&mut ledger, &["e", "f"])?;
    fs::write(&active, "").expect("cut as logrotate does");
    let found = ledger.check_active()?;
    assert!(matches!(ledger.rescue(found)?, Rescued::All { .. }));
    acked.0.extend(["e", "f"].iter().map(event));
    ledger.close_epoch(Reason::Rotate, now(2))?;
    ledger.open_segment(now(2))?;
    acked.commit(&mut ledger, &["g"])?;
    ledger.close_epoch(Reason::Stop, now(3)).map(drop)
}

fn check(dir: &Path) -> Report {
    Auditor::of(dir).check(dir, Macs::Checked)
}

/// What is stored, without copies of the beginning of a segment.
fn stored(dir: &Path) -> String {
    let entries = fs::read_dir(paths(dir).log_dir).expect("log dir");
    let paths = entries.map(|entry| entry.expect("entry").path()).filter(|path| path.is_file());
    let mut texts: Vec<_> = paths.map(|p| fs::read_to_string(p).expect("segment")).collect();
    texts.sort();
    texts.dedup_by(|longer, shorter| {
        let copy = longer.starts_with(shorter.as_str());
        if copy {
            std::mem::swap(longer, shorter);
        }
        copy
    });
    texts.concat()
}

fn reopen(dir: &Path, n: u64) -> Opened {
    open(setup(dir, Arc::new(Real::default())), now(n)).expect("the next start goes on")
}

#[test]
fn a_life_without_faults_verifies() {
    let dir = new_root();
    live(dir.path(), Arc::new(Real::default()), &mut Acked::default()).expect("no fault");
    let report = check(dir.path());
    assert_eq!((report.verdict, report.findings), (Verdict::OkUnanchored, vec![]));
    assert_eq!((report.figures.segments, report.figures.seals, report.figures.events), (3, 5, 9));
    assert_eq!(report.figures.macs, 14);
}

type Life = fn(&Path, Arc<dyn Fs>, &mut Acked) -> Result<(), LedgerError>;

#[test]
fn a_crash_at_any_step_loses_nothing_that_was_synced_and_forks_nothing() {
    crash_at_each_step_of(live, 0);
}

/// What was stored after the copy is only in memory until it is saved; what is in the copy never goes.
#[test]
fn a_crash_while_a_file_that_was_cut_is_saved_loses_no_more_and_forks_nothing() {
    let creating: Life = |dir, fs, _| open(setup(dir, fs), now(0)).map(drop);
    crash_at_each_step_of(live_with_a_cut, steps_of(creating));
}

fn steps_of(live: Life) -> u64 {
    let counting = Faulty::new(u64::MAX, Fault::NotDone, ErrorKind::Other);
    let dir = new_root();
    live(dir.path(), Arc::new(counting.clone()), &mut Acked::default()).expect("no fault");
    counting.steps()
}

fn crash_at_each_step_of(live: Life, first: u64) {
    let steps = steps_of(live);
    assert!(steps > first + 30, "the fault table covers steps {first} to {steps}");
    cases::each(first..steps, |step| {
        for fault in [Fault::NotDone, Fault::Done, Fault::Half] {
            crash_at(live, step, fault);
        }
    });
}

fn crash_at(live: Life, step: u64, fault: Fault) {
    let case = format!("step {step}, {fault:?}");
    let dir = new_root();
    let dir = dir.path();
    let mut acked = Acked::default();
    let faulty = Arc::new(Faulty::new(step, fault, ErrorKind::Other));
    live(dir, faulty, &mut acked).expect_err(&case);

    let mut ledger = reopen(dir, 10).ledger;
    acked.commit(&mut ledger, &["after"]).expect("a fresh event passes");
    drop(ledger); // a second crash, with a line in the open epoch
    let opened = reopen(dir, 20);
    assert!(opened.recovered.is_some() && !opened.created, "{case}");
    let mut ledger = opened.ledger;
    ledger.close_epoch(Reason::Stop, now(21)).expect("stop");

    let all = stored(dir);
    for event in &acked.0 {
        assert_eq!(all.matches(event.as_str()).count(), 1, "{case}: {event}");
    }
    let report = check(dir);
    // The second crash makes it incomplete, but nothing may look like tampering.
    assert_eq!(report.verdict, Verdict::Incomplete, "{case}: {:#?}", report.findings);
    let names: Vec<_> = fs::read_dir(paths(dir).log_dir)
        .expect("log dir")
        .map(|e| e.expect("entry").file_name().into_string().expect("utf-8"))
        .filter(|name| name.contains("damaged") || name.starts_with("cut"))
        .collect();
    assert!(names.is_empty(), "{case}: a crash is no damage, but {names:?}");
}

#[test]
fn a_clean_stop_and_start_is_no_finding() {
    let dir = new_root();
    live(dir.path(), Arc::new(Real::default()), &mut Acked::default()).expect("no fault");
    let opened = reopen(dir.path(), 10);
    assert_eq!(opened.recovered, None);
    assert_eq!(check(dir.path()).verdict, Verdict::OkUnanchored);
}

#[test]
fn a_log_renamed_while_stopped_goes_on_in_a_new_segment() {
    let dir = new_root();
    live(dir.path(), Arc::new(Real::default()), &mut Acked::default()).expect("no fault");
    let active = paths(dir.path()).active();
    fs::rename(&active, active.with_extension("jsonl-2")).expect("rename");
    let mut ledger = reopen(dir.path(), 10).ledger;
    Acked::default().commit(&mut ledger, &["x"]).expect("commit");
    ledger.close_epoch(Reason::Stop, now(11)).expect("stop");
    let report = check(dir.path());
    assert_eq!((report.verdict, report.figures.segments), (Verdict::OkUnanchored, 4));
}

#[test]
fn a_log_renamed_after_a_crash_is_sealed_where_its_lines_are() {
    let dir = new_root();
    let mut acked = Acked::default();
    let mut ledger = reopen(dir.path(), 0).ledger;
    acked.commit(&mut ledger, &["a", "b"]).expect("commit");
    drop(ledger);
    let active = paths(dir.path()).active();
    fs::rename(&active, active.with_extension("jsonl-1")).expect("rename");
    let opened = reopen(dir.path(), 10);
    assert!(opened.recovered.is_some());
    let report = check(dir.path());
    assert_eq!((report.verdict, report.figures.segments), (Verdict::Incomplete, 2));
}

#[test]
fn a_removed_log_is_never_begun_anew_in_silence() {
    let dir = new_root();
    live(dir.path(), Arc::new(Real::default()), &mut Acked::default()).expect("no fault");
    for entry in fs::read_dir(paths(dir.path()).log_dir).expect("log dir") {
        fs::remove_file(entry.expect("entry").path()).expect("remove");
    }
    let opened = reopen(dir.path(), 10);
    assert!(!opened.created && opened.recovered.is_some());
    assert_eq!(
        opened.ledger.next_seq(),
        15,
        "14 leaves were lost, the recovery's seal is the 15th"
    );
    assert_ne!(check(dir.path()).verdict, Verdict::OkUnanchored);
}

#[test]
fn a_missing_state_or_one_older_than_the_log_is_refused() {
    let dir = new_root();
    let mut ledger = reopen(dir.path(), 0).ledger;
    ledger.close_epoch(Reason::Time, now(1)).expect("seal");
    let state = paths(dir.path()).state();
    let old = fs::read(&state).expect("state");
    ledger.close_epoch(Reason::Time, now(2)).expect("seal");
    drop(ledger);
    let try_open = || open(setup(dir.path(), Arc::new(Real::default())), now(3)).err();
    fs::write(&state, &old).expect("write");
    assert!(matches!(try_open(), Some(LedgerError::StateOlder { .. })));
    fs::remove_file(&state).expect("remove");
    assert!(matches!(try_open(), Some(LedgerError::StateMissing { .. })));
}

#[test]
fn a_line_edited_after_a_kill_is_kept_and_never_signed_as_good() {
    let dir = new_root();
    let mut ledger = reopen(dir.path(), 0).ledger;
    Acked::default().commit(&mut ledger, &["a", "b", "c"]).expect("commit");
    drop(ledger);
    let active = paths(dir.path()).active();
    let text = fs::read_to_string(&active).expect("read");
    fs::write(&active, text.replace(r#"{"name":"b"}"#, r#"{"name":"B"}"#)).expect("write");
    reopen(dir.path(), 10);
    let report = check(dir.path());
    assert_eq!(report.verdict, Verdict::Tampered, "the auditor key shows the changed line");
    let place = report.findings.last().and_then(|f| f.place.clone()).expect("a place");
    assert_eq!((place.seq, place.line), (3, 5));
}

#[test]
fn an_unfinished_last_line_is_cut_and_counted() {
    let dir = new_root();
    let mut ledger = reopen(dir.path(), 0).ledger;
    Acked::default().commit(&mut ledger, &["a"]).expect("commit");
    drop(ledger);
    let active = paths(dir.path()).active();
    let mut text = fs::read(&active).expect("read");
    text.extend_from_slice(b"{\"seq\":2,\"ts");
    fs::write(&active, text).expect("write");
    let opened = reopen(dir.path(), 10);
    let record = opened.recovered.expect("recovered").to_json();
    assert!(record.contains(r#""cut_bytes":12"#), "{record}");
    assert_eq!(check(dir.path()).verdict, Verdict::Incomplete);
}
