//! An archive that is a program: it gets the path of a closed segment, and its status says whether it took it.

use std::time::{Duration, Instant};

use super::{Errand, Refusal};
use crate::ledger::segment::{self, Found};
use crate::program::{Over, Program};

/// Runs the program for one segment.
pub(super) fn take(
    command: &[String],
    limit: Duration,
    errand: &Errand<'_>,
    found: &Found,
) -> Result<(), Refusal> {
    let (found, _) = segment::reopen(found)
        .map_err(|e| Refusal::Failed(format!("{:?} could not be opened: {e}", found.path)))?;
    let env = [
        ("AUDITLOGD_LOG_ID", found.header.log_id.clone()),
        ("AUDITLOGD_SEGMENT", found.header.segment.to_string()),
    ];
    let program = Program { command, more: &[found.path.as_os_str()], env: &env, input: b"" };
    let begun = Instant::now();
    let over = || match (errand.stop)() {
        true => Some(Over::Ending),
        false => (begun.elapsed() >= limit).then_some(Over::TooLong(limit)),
    };
    program.run(&over).map_err(Refusal::Failed)
}
