//! Verification of everything on a host: the ledger, and the index against it in both directions.

mod database;
mod expired;
mod findings;
mod maps;

use std::path::Path;

use crate::event::FieldMap;
use crate::ledger::verify::{self, Finding, Options, Report, Verdict};
use database::Changed;

/// How often to begin again because maintenance deletes lines and rows meanwhile.
const TRIES: u32 = 5;

/// The index that is verified.
#[derive(Clone, Copy, Debug)]
pub struct Database<'a> {
    /// The file; it need not be there.
    pub path: &'a Path,
    /// The field map of the configuration, if that is of the same host: what `auditlog reindex` would use.
    pub fields: Option<&'a FieldMap>,
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The ledger.
    Log,
    /// The ledger once more, beside the index.
    Database,
    /// The index by SQLite itself, which does not say how far it is.
    Consistency,
}

/// Verifies the ledger, and then the index if there is one.
pub fn verify_all(
    options: &Options,
    database: Option<Database<'_>>,
    progress: &mut dyn FnMut(Phase, u64, u64),
) -> Report {
    let mut tries = 0;
    loop {
        let log = &mut |done, total| progress(Phase::Log, done, total);
        let mut report = verify::verify(options, log);
        let database = database.filter(|database| database.path.is_file());
        let comparable = report.verdict < Verdict::Tampered && !report.figures.log_id.is_empty();
        let Some(database) = database.filter(|_| comparable) else { return report };
        tries += 1;
        match database::check(&database, options, &mut report, progress) {
            Err(Changed) if tries < TRIES => {}
            Err(Changed) => {
                let message = format!(
                    "the database could not be compared with the log: lines or rows were deleted each of the {TRIES} times that this was tried; verify again when maintenance is done"
                );
                report.add(Finding::new(Verdict::Unverifiable, message));
                return report;
            }
            Ok(()) => return report,
        }
    }
}
