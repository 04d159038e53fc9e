//! State files. Run it with
//! `cargo +nightly fuzz run state`.
#![no_main]

#[path = "../entries/state.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::run(bytes));
