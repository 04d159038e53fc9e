//! A stream of bytes in reads of any length. Run it with
//! `cargo +nightly fuzz run framing`.
#![no_main]

#[path = "../entries/framing.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::run(bytes));
