//! Lines as clients may send them. Run it with
//! `cargo +nightly fuzz run event fuzz/corpus/event fuzz/seeds/event`.
#![no_main]

#[path = "../entries/event.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::run(bytes));
