//! The engine: the only place that joins ledger and index, and the only writer.

mod submit;

pub use submit::{CommitFailed, Item, OnCommit, Receipt, Stopped, Submission, Submitter};
#[cfg(test)]
pub(crate) use submit::{TestQueue, test_pair};

/// What the writer is asked to do.
pub(crate) enum Command {
    /// Put events into the ledger.
    Append(submit::Queued),
}
