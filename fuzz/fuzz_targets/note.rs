//! Signed notes, verifier keys, checkpoints, and anchors in any text. Run it with
//! `cargo +nightly fuzz run note fuzz/corpus/note fuzz/seeds/note`.
#![no_main]

#[path = "../entries/note.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| entry::run(bytes));
