//! Configuration files. Run it with
//! `cargo +nightly fuzz run config`.
#![no_main]

#[path = "../entries/config.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::run(bytes));
