//! What maintenance did, and what it deletes.

use std::fmt;

use indicatif::BinaryBytes;
use serde::{Deserialize, Serialize};

use crate::words::count;

/// Which leaves retention deletes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pruned {
    /// The first leaf that is gone.
    pub first_seq: u64,
    /// The last leaf that is gone.
    pub through_seq: u64,
    /// The tree's root over leaves [0, through_seq + 1), hex.
    pub root: String,
    /// The roots of the maximal perfect subtrees over leaves [first_seq, through_seq + 1), hex, in the order of the
    /// log: with them proofs lead over what is gone.
    pub subtrees: Vec<String>,
    /// The rule that asked for it, for people.
    pub policy: String,
    /// How long the rule keeps leaves at least, seconds: none that is gone was sealed later than that before this
    /// record.
    pub keep_seconds: u64,
}

/// What a run of maintenance did.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintained {
    /// Why it ran.
    pub trigger: Trigger,
    /// Who asked for it, if somebody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// How long it took, milliseconds.
    pub duration_ms: u64,
    /// Segments that were compressed; bytes before.
    pub compressed: Task,
    /// Their bytes after.
    pub compressed_to_bytes: u64,
    /// Segments that archives took.
    pub archived: Task,
    /// Segments that were deleted.
    pub pruned: Task,
    /// Rows that were deleted from the database; bytes that its file became smaller.
    pub rows: Task,
    /// What had expired and is kept all the same, with the reason.
    pub kept_back: Vec<String>,
    /// What failed, and is tried again.
    pub errors: Vec<String>,
    /// The rules in force, [`crate::retention::Rules::definition`]: a row of the database may be missing once they
    /// let it go.
    pub retention: String,
    /// Rules that were in force before, each with the last time that a record named it as such.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<EarlierRules>,
    /// Which field map the index uses: SHA-256 of its definition, hex.
    pub field_map: String,
}

/// Why maintenance ran.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// It was time.
    #[default]
    Timer,
    /// Somebody asked for it.
    Request,
    /// The disk was nearly full.
    LowSpace,
}

/// Rules of retention that are not in force any more.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierRules {
    /// [`crate::retention::Rules::definition`].
    pub retention: String,
    /// When a record named them last as those in force, RFC 3339.
    pub until: String,
}

/// One part of a run of maintenance.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// How many of what it is about.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long it took, milliseconds.
    pub ms: u64,
}

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
    use crate::record::Record;

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
