//! What became of the lines of clients: counted where they become durable, and carried by the log itself.
//!
//! [`tally`] reads what a line says; the writer's [`Book`] counts by it what has just been synced and writes
//! `auditlogd.account` records; [`recount`] finds the sums again at a start; [`loss`] says what an end that was none
//! may have cost.

mod book;
mod loss;
mod recount;
mod tally;

pub(super) use book::Book;
pub use loss::Exposure;
pub(super) use loss::{Crash, not_summarised};
pub(super) use recount::recount;
pub use tally::{Entries, Entry, Gap};
