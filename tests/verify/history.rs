//! Gaps, and what happened to the log.

use crate::SECOND;
use crate::common::log::{Log, expect, run};
use auditlogd::ledger::seal::Reason;
use auditlogd::ledger::verify::{Kind, Options, Verdict};
use auditlogd::record::Record;

#[test]
fn a_gap_is_told_with_what_explains_it() {
    let mut log = Log::new();
    log.events(1);
    log.wait(3600);
    log.events(1);
    log.stop();
    log.wait(7200);
    log.start();
    log.events(1);
    log.wait(1800);
    log.reboot();
    let max_gap_ns = Some(1200 * SECOND);
    let report = run(&Options { max_gap_ns, ..log.options() });
    assert_eq!(report.verdict, Verdict::Incomplete);
    let said: Vec<_> = report.findings.iter().map(|finding| &finding.message[..]).collect();
    let ends = ["nothing says why", "stopped, and started again", "the host was down"];
    for (said, end) in said.iter().zip(ends) {
        assert!(
            said.starts_with("nothing was written from 2026-11-21T") && said.ends_with(end),
            "{said}"
        );
    }
    assert_eq!(log.verify().findings.len(), 1, "without the option only the crash is told");
    let long = Options { max_gap_ns: Some(7201 * SECOND), ..log.options() };
    assert_eq!(run(&long).findings.len(), 1);
}

#[test]
fn silence_until_now_is_a_gap_of_the_hosts_own_log_only() {
    let mut log = Log::new();
    log.events(1);
    log.seal(Reason::Idle);
    log.wait(1000);
    let options = Options { max_gap_ns: Some(900 * SECOND), ..log.options() };
    assert_eq!(run(&options).verdict, Verdict::OkUnanchored);
    let live = Options { live: true, ..options };
    expect(&run(&live), Verdict::Incomplete, "nothing has been written since 2026-11-21T01:23:45");
}

#[test]
fn a_clock_that_was_set_forward_is_no_gap() {
    let mut log = Log::new();
    log.wait(3600);
    log.record(&Record::ClockStep {
        expected: "2026-11-21T01:23:45.123456789Z".into(),
        found: "2026-11-21T02:23:45.123456789Z".into(),
        step_ns: 3600 * SECOND,
    });
    let report = run(&Options { max_gap_ns: Some(60 * SECOND), ..log.options() });
    assert_eq!(report.verdict, Verdict::OkUnanchored, "{:#?}", report.findings);
}

#[test]
fn the_history_tells_what_happened_and_lists_the_seals() {
    let mut log = Log::new();
    log.events(1);
    log.record(&Record::Stopped { reason: "SIGTERM".into() });
    log.stop();
    log.start();
    log.record(&Record::ConfigChanged {
        applied: vec!["fields.actor".into()],
        restart: vec![],
        field_map: "00".repeat(32),
    });
    log.record(&Record::RejectedSummary { lines: 7, bytes: 70, uid: 1, over_ms: 5 });
    assert_eq!(log.verify().history, None);
    let history = run(&Options { history: true, ..log.options() }).history.expect("history");
    let kinds: Vec<_> = history.happenings.iter().map(|happening| happening.kind).collect();
    assert_eq!(kinds, [Kind::Created, Kind::Stopped, Kind::ConfigChanged]);
    let last = history.happenings.first.last().expect("one");
    assert_eq!((last.seq, &last.sentence[..]), (6, "the configuration changed: fields.actor"));
    let seals: Vec<_> =
        history.seals.iter().map(|seal| (seal.epoch, seal.size, seal.reason)).collect();
    assert_eq!(seals, [(0, 1, Reason::Created), (1, 4, Reason::Stop), (2, 5, Reason::Start)]);
    assert_eq!(history.rejected, 7);
}
