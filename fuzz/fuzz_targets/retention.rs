//! Rules of retention and holds. Run it with
//! `cargo +nightly fuzz run retention`.
#![no_main]

#[path = "../entries/retention.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::run(bytes));
