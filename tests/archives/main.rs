//! Archives: what directories and programs get, once each, and what keeps a segment from being deleted.

#[path = "../common/mod.rs"]
mod common;
mod crashes;
mod directory;
mod exec;
mod helpers;
mod planted;
mod refusals;
