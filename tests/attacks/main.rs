//! Every known attack on sealed logs and every fault that looks like one, each a test of its number. An
//! attack is played as its attacker would play it and is caught if `auditlog verify` says TAMPERED and
//! where; a fault is clean if it raises no alarm.

#[path = "../common/mod.rs"]
mod common;
mod compressed;
mod copies;
mod crashes;
mod cuts;
mod database;
mod files;
mod forged_proofs;
mod hostile_copies;
mod hostile_events;

mod anchors;
mod clocks;
mod closed_lines;
mod keys_on_disk;
mod live_file;
mod live_log;
mod pruned;
mod random_edits;
mod starts;
mod takeover;
mod unsealed;
