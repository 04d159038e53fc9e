//! An archive that is a program: it gets the path of a closed segment, and its status says whether it took it.

use std::time::{Duration, Instant};

use super::{Context, Refusal};
use crate::ledger::segment::{self, Found};
use crate::program::{Interrupt, Program};

/// Runs the program for one segment.
pub(super) fn take(
    command: &[String],
    limit: Duration,
    context: &Context<'_>,
    found: &Found,
) -> Result<(), Refusal> {
    let (found, _) = segment::reopen(found)
        .map_err(|e| Refusal::Failed(format!("{:?} could not be opened: {e}", found.path)))?;
    let env = [
        ("AUDITLOGD_LOG_ID", found.header.log_id.clone()),
        ("AUDITLOGD_SEGMENT", found.header.segment.to_string()),
    ];
    let program = Program { command, args: &[found.path.as_os_str()], env: &env, input: b"" };
    let begun = Instant::now();
    let interrupt = || match (context.stop)() {
        true => Some(Interrupt::Stopping),
        false => (begun.elapsed() >= limit).then_some(Interrupt::TimedOut(limit)),
    };
    program.run(&interrupt).map_err(Refusal::Failed)
}
