//! The audit log daemon.

use std::process::ExitCode;

use auditlogd::daemon::{Options, main as daemon};
use clap::Parser;

fn main() -> ExitCode {
    daemon(Options::parse())
}
