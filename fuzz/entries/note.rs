//! Signed notes, verifier keys, checkpoints, and anchors in any text.
use auditlogd::ledger::anchor::{self, Anchor};
use auditlogd::ledger::checkpoint::Checkpoint;
use auditlogd::ledger::note::{Note, VerifierKey, parse_signatures};

/// One input.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(note) = Note::parse(text) {
        assert_eq!(note.to_string(), text, "one note has one form");
        if let Ok(checkpoint) = Checkpoint::parse(note.text()) {
            assert!(note.text().starts_with(&checkpoint.to_string()));
        }
    }
    if let Ok(key) = text.parse::<VerifierKey>() {
        assert_eq!(key.to_string(), text, "one key has one form");
    }
    if let Ok(signatures) = parse_signatures(text) {
        let again: String = signatures.iter().map(ToString::to_string).collect();
        assert_eq!(again, text);
    }
    for found in anchor::read(text).map(|anchors| anchors.list).unwrap_or_default() {
        let again = match &found {
            Anchor::Checkpoint { note, .. } => note.to_string(),
            Anchor::Receipt(receipt) => receipt.to_line(),
        };
        let list = anchor::read(&again).map(|anchors| anchors.list);
        assert_eq!(list, Ok(vec![found]), "it is found again by itself");
    }
}
