//! Proof files, and the verification of any path.
use auditlogd::ledger::proof::{TlogProof, verify_consistency, verify_inclusion};
use auditlogd::ledger::tree::leaf_hash;

/// One input.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(proof) = TlogProof::parse(text) else { return };
    assert_eq!(proof.to_string(), text, "one proof has one form");
    let TlogProof { index, path, checkpoint, extra, .. } = proof;
    let leaf = leaf_hash(&extra.unwrap_or_default());
    let (size, root) = (checkpoint.size, checkpoint.root);
    let _ = verify_inclusion(&leaf, index, size, &path, &root);
    let _ = verify_consistency((index, &leaf), (size, &root), &path);
}
