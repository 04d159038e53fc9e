//! Anchors: each checkpoint leaves the host, whatever the anchor does, and the writer never waits.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/witness.rs"]
mod cosigner;
mod exec;
mod file;
mod helpers;
mod reload;
mod witness;
