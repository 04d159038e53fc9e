//! Disks that fail and hosts that lose their power, at every step of whatever the daemon does with its files.
//!
//! `AUDITLOGD_SEED` repeats a run's choices, `AUDITLOGD_SECONDS` says for how long the power fails at random.

#[path = "../common/mod.rs"]
mod common;

mod crash;
mod disk;
mod faults;
mod judge;
mod lives;
mod maintained;
mod power;
mod stage;
mod waits;

use common::chance::{given, seed};
