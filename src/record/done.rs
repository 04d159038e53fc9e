//! What a run of maintenance did, for people.

use indicatif::BinaryBytes;

use super::super::text::count;
use crate::record::Maintained;

/// What was done, in one line.
pub(in crate::cli) fn done(run: &Maintained) -> String {
    let mut parts = Vec::new();
    let segments = |n: u64| count(n, "segment");
    if run.compressed.count > 0 {
        let (before, after) = (run.compressed.bytes, run.compressed_to_bytes);
        let (n, before, after) =
            (segments(run.compressed.count), BinaryBytes(before), BinaryBytes(after));
        parts.push(format!("compressed {n} ({before} to {after})"));
    }
    if run.archived.count > 0 {
        parts.push(format!("archived {}", segments(run.archived.count)));
    }
    if run.pruned.count > 0 {
        let bytes = BinaryBytes(run.pruned.bytes);
        parts.push(format!("deleted {} ({bytes})", segments(run.pruned.count)));
    }
    if run.rows.count > 0 {
        parts.push(format!("deleted {} of the database", count(run.rows.count, "row")));
    }
    match (parts.is_empty(), run.errors.is_empty()) {
        (true, true) => "nothing to do".into(),
        (true, false) => "nothing done".into(),
        (false, _) => parts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Task;

    #[test]
    fn only_what_was_done_is_told() {
        let mut run = Maintained::default();
        assert_eq!(done(&run), "nothing to do");
        run.errors.push("x".into());
        assert_eq!(done(&run), "nothing done");
        run.compressed = Task { count: 1, bytes: 2048, ms: 1 };
        run.compressed_to_bytes = 1024;
        run.rows.count = 1234;
        let want =
            "compressed 1 segment (2.00 KiB to 1.00 KiB), deleted 1,234 rows of the database";
        assert_eq!(done(&run), want);
    }
}
