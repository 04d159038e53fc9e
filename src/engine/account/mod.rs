//! What became of the lines of clients: counted where they become durable, and carried by the log itself.
//!
//! [`tally`] reads what a line says; the writer's [`Book`] counts by it what has just been synced and writes
//! `auditlogd.account` records; [`recount`] finds the sums again at a start; [`loss`] says what an end that was none
//! may have cost. An [`audit`] counts all of it once more.

mod audit;
mod book;
mod loss;
mod recount;
mod tally;

pub use audit::{Audit, Finding, Gapped, Kind};
pub(super) use book::Book;
pub(super) use loss::gaps;
pub use loss::{Exposure, SHORTEST};
pub(super) use recount::recount;
pub use tally::Gap;
