//! Maintenance: what happens to the log once its segments are closed. A thread of the daemon compresses them,
//! hands them to archives and deletes what nobody has to keep any more, in that order and one run at a time.
//!
//! [`Maintainer`] is the thread; it sleeps until the `timer` says that a run is due, or until somebody asks for
//! one at the `desk`. [`Runner`] makes the runs. What it has to remember is in `state`; the time that it goes by
//! is `believed`.
//!
//! Nothing here ever holds up an event, and what fails here is tried again at the next run.

pub mod archive;
mod believed;
mod boot;
pub mod compress;
pub mod decide;
mod desk;
mod forecast;
pub mod holds;
mod maintainer;
mod named;
pub mod outlook;
pub mod plan;
pub mod prune;
pub mod quiet;
mod run;
pub mod scan;
mod space;
pub mod staging;
mod state;
mod status;
pub mod survey;
mod timer;

pub use desk::{Cause, Progress};
pub use maintainer::{MaintainHandle, Maintainer, Settings, Setup};
pub use run::{Runner, Watcher};
pub use status::remembered;
