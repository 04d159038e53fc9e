//! Maintenance: what happens to the log once its segments are closed. A thread of the daemon compresses them,
//! hands them to archives and deletes what nobody has to keep any more, in that order and one run at a time.
//!
//! 1. [`Maintainer`] is the thread. It sleeps until the `timer` says that a run is due, or until somebody asks
//!    for one by its [`MaintainHandle`] (`shared` is where the two meet), and has a low priority (`priority`).
//! 2. `run` ([`Runner`]) makes a run. `state` is what it remembers from the last one, with the rules that the log
//!    names (`named`); `believed` is the time that retention goes by, over `boot`s.
//! 3. [`compress`] and [`archive`] take one closed segment after the other; both write by way of [`staging`].
//! 4. `decide` puts together what a deletion depends on: [`holds`], free `space`, the archives; [`survey`] reads
//!    each segment ([`scan`], and `copies` where there are several files of it) or remembers it; [`plan`] decides.
//! 5. [`prune`] records what goes, and deletes it; then the index deletes rows.
//! 6. A record tells of the run; `status` tells how maintenance is, `forecast` how long the disk will do.
//!
//! [`outlook`] goes the same way up to the plan, for `auditlog maintain --dry-run`, and changes nothing.
//!
//! Nothing here ever holds up an event, and what fails here is tried again at the next run.

pub mod archive;
mod believed;
mod boot;
pub mod compress;
mod copies;
mod decide;
mod forecast;
pub mod holds;
mod maintainer;
mod named;
pub mod outlook;
pub mod plan;
pub mod prune;
mod quiet;
mod run;
pub mod scan;
mod shared;
mod space;
pub mod staging;
mod state;
mod status;
pub mod survey;
mod timer;
mod watch;

pub use maintainer::{MaintainHandle, Maintainer, OnSpace, Settings, Setup};
pub use run::{Runner, Watcher};
pub use shared::{Cause, Progress};
pub use status::remembered;
