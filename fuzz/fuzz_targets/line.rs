//! Lines of the ledger. Run it with
//! `cargo +nightly fuzz run line fuzz/corpus/line fuzz/seeds/line`.
#![no_main]

#[path = "../entries/line.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::run(bytes));
