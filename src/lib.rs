//! auditlogd: a host-level audit log. The crate in the order an event takes through it.
//!
//! 1. [`ingest`] accepts a connection, asks the kernel who it is, frames lines and checks them.
//! 2. [`engine`] owns the one writer: stamp, sign, append, fdatasync, publish, acknowledge.
//! 3. [`ledger`] is what the writer writes: lines, keys, seals, the Merkle tree, segments.
//! 4. [`index`] is the SQLite database that follows the ledger.
//! 5. [`control`] answers what `auditlog` asks of a running daemon: status, reload, rotate, and the like.
//! 6. [`publish`] carries each new checkpoint off the host: files, the journal, programs, witnesses.
//! 7. [`maintain`] compresses closed segments, hands them to archives and deletes what has expired.
//! 8. [`daemon`] and [`cli`] put it together into the two programs.
//!
//! [`client`] is the other side of step 1, for applications and for `auditlog emit`: it reconnects, spools and sends again.
//! [`kept`] is what lets a connection outlive the process: bytes stay in the kernel until step 2 is done with them.
//!
//! And in the order a segment takes, from the file that is written to the day it is deleted:
//!
//! 1. `engine::writer::segments` decides that it is large or old enough, `ledger::rotate` gives it its last name,
//!    `ledger::active` opens the next one; `ledger::rescue` saves one that somebody deleted or cut before that.
//! 2. [`maintain`] wakes by its timer, or because somebody asked; `maintain::run` makes the run, task by task.
//! 3. [`maintain::compress`] makes `X.zst` of `X`, and [`maintain::archive`] hands it over.
//! 4. [`maintain::survey`] reads what each segment holds, by [`retention`]'s rules and holds; [`maintain::plan`]
//!    decides over all of them which may go, and says of the others why not.
//! 5. [`maintain::prune`] has the writer record and seal what goes ([`engine::WriterHandle::prune`]), and only then
//!    deletes files. [`index`] lets rows go, each by its own rule, whether or not their segment is still there.
//! 6. The `auditlogd.maintained` record says what was done, by which rules; verification holds holes and missing
//!    rows against just these records.
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
//! Below them: [`fs`] (the only way to the disk), [`program`], [`config`], [`kept`], [`kernel`], and the vocabulary [`backoff`], [`event`],
//! [`record`], [`retention`], [`json`], [`clock`], [`keysheet`], [`metrics`], [`outside`],
//! [`priority`], [`words`].
//! Imports go down only; `tests/layers.rs` holds the floors.

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

pub mod client;
pub mod config;
pub mod fs;
pub mod kept;
pub mod program;

pub mod backoff;
pub mod clock;
pub mod event;
pub mod json;
pub mod kernel;
pub mod keysheet;
pub mod metrics;
pub mod outside;
pub mod priority;
pub mod record;
pub mod retention;
pub mod words;
