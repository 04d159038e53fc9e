//! Seals. Run it with
//! `cargo +nightly fuzz run seal fuzz/corpus/seal fuzz/seeds/seal`.
#![no_main]

#[path = "../entries/seal.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::run(bytes));
