//! A whole connection to a daemon. Run it with
//! `cargo +nightly fuzz run protocol fuzz/corpus/protocol fuzz/seeds/protocol`.
#![no_main]

#[path = "../entries/protocol.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::run(bytes));
