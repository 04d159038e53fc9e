//! Over what retention has deleted the sums lead.

use std::fs;

use auditlogd::engine::Pruned;

use crate::common::lab;
use crate::common::pruning;
use crate::common::running::Running;
use crate::{account, account_with, assert_adds_up, sums};

#[test]
fn sums_lead_over_deleted_segments_and_over_a_stop_after_them() {
    let root = lab::new_root();
    let mut stored = 0;
    for run in 0..3 {
        let running = Running::start(root.path(), 1, lab::now(run * 1000));
        let mut store = |events: u64| {
            running.metrics.accounts.of(0).lines.add(events);
            running.store_all(&vec!["{}"; events as usize]).expect("stored");
            stored += events;
        };
        for _ in 0..2 {
            store(10);
            running.writer().rotate("the test".into()).expect("rotated");
        }
        // The first time before the log has said any sums.
        let dir = lab::paths(root.path()).log_dir;
        let (record, gone) = pruning::of(&dir, 0..2, 0);
        assert_eq!(running.writer().prune(vec![record], 0), Pruned::Done);
        gone.iter().for_each(|path| fs::remove_file(path).expect("deleted"));
        store(3);
        running.stop().expect("stopped");
        let (code, said) = account(root.path());
        assert_eq!((code, sums(&said["total"])), (0, [stored, 0, 0, 0, 0]), "{said:#}");
        assert_adds_up(&said);
        assert_eq!(said["holes"].as_array().map(Vec::len), Some(1), "{said:#}");
        // Of a period only what is there is shown.
        let (_, said) = account_with(root.path(), &["--since", "2026-01-01"]);
        assert!(sums(&said["total"])[0] < stored, "{said:#}");
    }
}
