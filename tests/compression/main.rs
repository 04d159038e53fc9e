//! Compressing closed segments: what it leaves, whatever comes in between, and that everything that reads a
//! log reads them.

#[path = "../common/mod.rs"]
mod common;
mod crashes;
mod forms;
mod helpers;
mod kill;
mod meddling;
mod readers;
