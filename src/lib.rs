//! auditlogd: a host-level audit log. The crate in the order an event takes through it.
//!
//! 1. [`ingest`] accepts a connection, asks the kernel who it is, frames lines and checks them.
//! 2. [`engine`] owns the one writer: stamp, sign, append, fdatasync, publish, acknowledge.
//! 3. [`ledger`] is what the writer writes: lines, keys, seals, the Merkle tree, segments.
//! 4. [`index`] is the SQLite database that follows the ledger.
//! 5. [`control`] answers `auditlog status`, `auditlog reindex` and `auditlog rotate`.
//! 6. [`publish`] carries each new checkpoint off the host: files, the journal, programs, witnesses.
//! 7. [`maintain`] compresses closed segments, hands them to archives and deletes what has expired.
//! 8. [`daemon`] and [`cli`] put it together into the two programs.
//!
//! And in the order a verification takes:
//!
//! 1. [`cli`] reads what was kept off the host: the genesis key, [`ledger::anchor`]s, the auditor key.
//! 2. [`engine::verify_all`] holds the ledger against itself and then the database against the ledger.
//! 3. [`ledger::verify`] takes the segments as they are now; one thread reads blocks of lines, all cores
//!    check what a line shows alone, and one joins that in the order of the log: tree, seals, records.
//! 4. The roots and macs that it meets on the way are held against the anchors.
//! 5. [`index::Snapshot`] compares each row with the one that its line gives, and the file with an empty one.
//! 6. [`ledger::verify::Report`] is the verdict; `verify` says it in a sentence, `attest` on a page.
//!
//! [`ledger::proof`] shows one line to somebody who has no log: its path to a checkpoint's root.
//!
//! Below them: [`fs`] (the only way to the disk), [`program`], [`config`], and the vocabulary [`event`],
//! [`record`], [`retention`], [`json`], [`clock`], [`keysheet`], [`metrics`]. Imports go down only; `tests/layers.rs` holds the floors.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod cli;
pub mod daemon;

pub mod control;
pub mod ingest;
pub mod maintain;
pub mod publish;

pub mod engine;

pub mod index;
pub mod ledger;

pub mod config;
pub mod fs;
pub mod program;

pub mod clock;
pub mod event;
pub mod json;
pub mod keysheet;
pub mod metrics;
pub mod record;
pub mod retention;
