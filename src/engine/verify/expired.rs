//! Which rows retention may have deleted: each goes by its own rule, while the line that it was made from may live
//! on. The log says in its own records which rules were in force, and until when.

use crate::index::EventRow;
use crate::ledger::verify::Retention;
use crate::retention::{Rules, expires_ns};

/// The rules that the log names, each with the time of the last record that does, nanoseconds since 1970.
pub(super) struct Expired {
    rules: Vec<(Rules, i64)>,
    /// Whether all could be read: another version of the daemon may have other rules.
    pub all_read: bool,
}

impl Expired {
    pub fn new(retention: &Retention) -> Self {
        let read =
            retention.named().map(|(text, last)| Some((Rules::from_definition(text)?, last)));
        let (mut rules, mut all_read) = (Vec::new(), true);
        for rule in read {
            match rule {
                Some(rule) => rules.push(rule),
                None => all_read = false,
            }
        }
        Self { rules, all_read }
    }

    /// Whether some rules have let this row go while they were in force.
    pub fn lets_go(&self, row: &EventRow<'_>) -> bool {
        let facts = row.facts();
        self.rules
            .iter()
            .any(|(rules, last)| expires_ns(row.ts_ns, rules.keep_seconds(&facts)) <= *last)
    }
}
