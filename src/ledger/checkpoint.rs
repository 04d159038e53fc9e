//! Checkpoints: a C2SP tlog-checkpoint, which is a C2SP signed note with an Ed25519 signature.

use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest, Sha256};

use super::keys::{LogId, SignKey};
use super::tree::Tree;

/// The signature algorithm's byte in key ids and verifier keys (C2SP signed-note, "Signature types").
const ED25519: u8 = 1;

/// Who the checkpoints are of: `<host>/auditlog/<log_id>`. A name on a note may hold neither spaces
/// nor plus signs.
pub fn origin(host: &str, log_id: &LogId) -> String {
    let host: String =
        host.chars().map(|c| if c.is_whitespace() || c == '+' { '-' } else { c }).collect();
    format!("{host}/auditlog/{}", HEXLOWER.encode(log_id))
}

/// The note: origin, size, root, and the signature of them.
pub fn sign(origin: &str, tree: &Tree, key: &SignKey) -> String {
    let text = format!("{origin}\n{}\n{}\n", tree.size(), BASE64.encode(&tree.root()));
    let mut signature = key_id(origin, &key.public()).to_vec();
    signature.extend_from_slice(&key.sign(text.as_bytes()));
    format!("{text}\n\u{2014} {origin} {}\n", BASE64.encode(&signature))
}

/// The verifier key that a witness or a reader is given: `<origin>+<key id>+<base64 of type and key>`.
pub fn verifier_key(origin: &str, key: &SignKey) -> String {
    let public = key.public();
    let typed = [&[ED25519][..], &public].concat();
    let id = HEXLOWER.encode(&key_id(origin, &public));
    format!("{origin}+{id}+{}", BASE64.encode(&typed))
}

fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let hash = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', ED25519])
        .chain_update(public)
        .finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_has_the_form_of_a_signed_note() {
        let key = SignKey::from_seed(&[1; 32]).expect("key");
        let origin = origin("my host+1", &[0xaa; 16]);
        assert_eq!(origin, format!("my-host-1/auditlog/{}", "aa".repeat(16)));
        let mut tree = Tree::default();
        tree.push([2; 32]);
        let note = sign(&origin, &tree, &key);
        let (text, signatures) = note.split_once("\n\n").expect("two parts");
        assert_eq!(text, format!("{origin}\n1\n{}", BASE64.encode(&[2; 32])));
        let signature = signatures.strip_prefix(&format!("\u{2014} {origin} ")).expect("signer");
        let signature = BASE64.decode(signature.trim_end().as_bytes()).expect("base64");
        assert_eq!(signature.len(), 4 + 64);
        let public = ed25519_dalek::VerifyingKey::from_bytes(&key.public()).expect("key");
        let ed = ed25519_dalek::Signature::from_slice(&signature[4..]).expect("signature");
        public.verify_strict(format!("{text}\n").as_bytes(), &ed).expect("verifies");
        let vkey = verifier_key(&origin, &key);
        assert!(vkey.contains(&format!("+{}+", HEXLOWER.encode(&signature[..4]))), "{vkey}");
    }
}
