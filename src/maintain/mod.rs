//! Maintenance: what happens to the log once its segments are closed. A thread of the daemon compresses them,
//! hands them to archives and deletes what nobody has to keep any more, in that order and one run at a time.
//!
//! Nothing here ever holds up an event, and what fails here is tried again at the next run.

pub mod holds;
pub mod plan;
pub mod prune;
pub mod scan;
pub mod survey;
