//! What a run of maintenance did, for people.

use std::fmt;

use indicatif::BinaryBytes;

use super::Maintained;
use crate::words::count;

/// What was done, in one line; what was not done is left out.
impl fmt::Display for Maintained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.compressed.count > 0 {
            let (before, after) =
                (BinaryBytes(self.compressed.bytes), BinaryBytes(self.compressed_to_bytes));
            let segments = count(self.compressed.count, "segment");
            parts.push(format!("compressed {segments} ({before} to {after})"));
        }
        if self.archived.count > 0 {
            parts.push(format!("archived {}", count(self.archived.count, "segment")));
        }
        if self.pruned.count > 0 {
            let bytes = BinaryBytes(self.pruned.bytes);
            parts.push(format!("deleted {} ({bytes})", count(self.pruned.count, "segment")));
        }
        if self.rows.count > 0 {
            parts.push(format!("deleted {} of the database", count(self.rows.count, "row")));
        }
        match (parts.is_empty(), self.errors.is_empty()) {
            (true, true) => f.write_str("nothing to do"),
            (true, false) => f.write_str("nothing done"),
            (false, _) => f.write_str(&parts.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Record, Task};

    #[test]
    fn only_what_was_done_is_told() {
        let mut run = Maintained::default();
        assert_eq!(run.to_string(), "nothing to do");
        run.errors.push("x".into());
        assert_eq!(run.to_string(), "nothing done");
        run.compressed = Task { count: 1, bytes: 2048, ms: 1 };
        run.compressed_to_bytes = 1024;
        run.rows.count = 1234;
        let want =
            "compressed 1 segment (2.00 KiB to 1.00 KiB), deleted 1,234 rows of the database";
        assert_eq!(run.to_string(), want);
    }

    #[test]
    fn the_record_says_it_too_and_whether_something_failed() {
        let action = |run: &Maintained| {
            let json = Record::Maintained(Box::new(run.clone())).to_json();
            let event: serde_json::Value = serde_json::from_str(&json).expect("JSON");
            event["action"].as_str().expect("text").to_owned()
        };
        let mut run = Maintained::default();
        assert_eq!(action(&run), "maintenance: nothing to do");
        run.pruned = Task { count: 2, bytes: 1024, ms: 1 };
        run.errors.push("x".into());
        assert_eq!(action(&run), "maintenance: deleted 2 segments (1.00 KiB); not all went well");
    }
}
