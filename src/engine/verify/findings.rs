//! What is found wrong with the database, as sentences, and not more of them than a person reads.

use crate::index::{Difference, Kind};
use crate::ledger::verify::{Finding, Report, Verdict};

/// Differences that are told one by one.
pub(super) const MOST_TOLD: usize = 20;

pub(super) struct Findings {
    told: Vec<Finding>,
    more: u64,
    /// Whether a run of maintenance that goes on meanwhile can be why: rows of events are missing, or are left of lines that
    /// are gone.
    pub may_be_maintenance: bool,
    /// Whether all rules of retention that the log names could be read.
    all_rules_read: bool,
}

impl Findings {
    /// None yet; `all_rules_read` is [`super::expired::Expired::all_read`].
    pub fn new(all_rules_read: bool) -> Self {
        Self { told: Vec::new(), more: 0, may_be_maintenance: false, all_rules_read }
    }

    pub fn tell(&mut self, verdict: Verdict, message: String) {
        self.told.push(Finding { verdict, message, place: None });
    }

    /// Tells of something that `auditlog reindex` repairs.
    pub fn advise(&mut self, verdict: Verdict, what: &str) {
        if self.told.len() < MOST_TOLD {
            self.tell(verdict, format!("{what}; `auditlog reindex` rebuilds it from the log"));
        } else {
            self.more += 1;
        }
    }

    pub fn differ(&mut self, what: &str) {
        self.advise(Verdict::Tampered, what);
    }

    pub fn row(&mut self, difference: Difference) {
        let Difference { table, key, kind } = difference;
        let name = match table {
            "blocks" => "block",
            "segments" => "segment",
            _ => "seq",
        };
        if table == "event_rows" && kind == Kind::Missing {
            self.may_be_maintenance = true;
            if !self.all_rules_read {
                let what = format!(
                    "the database lacks seq {key}, and another version of auditlogd made rules of retention that cannot be read here"
                );
                return self.advise(Verdict::Unverifiable, &what);
            }
        }
        self.differ(&match kind {
            Kind::Missing => format!("the database lacks {name} {key} in {table}"),
            Kind::Extra => {
                format!("the database has {name} {key} in {table}, where the log has none")
            }
            Kind::Changed(columns) => {
                let columns = columns.join(", ");
                format!("the database differs from the log for {name} {key} in {table}: {columns}")
            }
        });
    }

    /// Puts them into the report.
    pub fn into_report(self, report: &mut Report) {
        let Self { told, more, .. } = self;
        told.into_iter().for_each(|finding| report.add(finding));
        if more > 0 {
            let message = format!("{more} more differences between the database and the log");
            report.add(Finding { verdict: Verdict::Tampered, message, place: None });
        }
    }
}
