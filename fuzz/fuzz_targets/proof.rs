//! Proof files, and the verification of any path. Run it with
//! `cargo +nightly fuzz run proof fuzz/corpus/proof fuzz/seeds/proof`.
#![no_main]

#[path = "../entries/proof.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::run(bytes));
