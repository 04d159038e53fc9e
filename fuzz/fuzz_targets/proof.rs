//! Proof files, and the verification of any path. Run it with
//! `cargo +nightly fuzz run proof fuzz/corpus/proof fuzz/seeds/proof`.
#![no_main]

use auditlogd::ledger::proof::{TlogProof, verify_consistency, verify_inclusion};
use auditlogd::ledger::tree::leaf_hash;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(proof) = TlogProof::parse(text) else { return };
    assert_eq!(proof.to_string(), text, "one proof has one form");
    let TlogProof { index, path, checkpoint, extra, .. } = proof;
    let leaf = leaf_hash(&extra.unwrap_or_default());
    let (size, root) = (checkpoint.size, checkpoint.root);
    let _ = verify_inclusion(&leaf, index, size, &path, &root);
    let _ = verify_consistency((index, &leaf), (size, &root), &path);
});
