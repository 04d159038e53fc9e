//! Queries of the database, and times as people type them. Run it with
//! `cargo +nightly fuzz run filter`.
#![no_main]

#[path = "../entries/filter.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::run(bytes));
