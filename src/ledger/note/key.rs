//! Verifier keys: what a reader of signed notes has to know beforehand (c2sp.org/signed-note,
//! "Verifier keys").

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

/// The longest text of a verifier key, bytes.
const MAX: usize = 1024;

/// The first four bytes of the hash of name, signature type and public key: a handle, not a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// How a key signs: the signature type of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Ed25519 over the text.
    Ed25519 = 0x01,
    /// A witness's statement with a time (c2sp.org/tlog-cosignature).
    CosignatureV1 = 0x04,
}

/// A name and the public key that signs under it: `<name>+<key id>+<base64 of type and key>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: KeyKind,
    public: VerifyingKey,
}

/// Why a text is no verifier key that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not three parts with plus signs between them.
    #[error("a verifier key has the form NAME+KEYID+BASE64")]
    Form,
    /// A name with spaces, control characters or plus signs, or none.
    #[error("the name of a verifier key is not empty and holds no spaces and no plus signs")]
    Name,
    /// A signature type that is not of [`KeyKind`].
    #[error("the verifier key's type is neither Ed25519 (1) nor cosignature/v1 (4)")]
    Kind,
    /// Not the encoding of a point.
    #[error("the verifier key holds no Ed25519 public key")]
    Public,
    /// The middle part is not the hash of the others.
    #[error("the verifier key's id does not belong to its name and key; a part of it was changed")]
    Id,
}

/// Whether a key may have this name.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c < ' ' || c == '+')
}

impl VerifierKey {
    /// The verifier key of this name and public key.
    pub fn new(name: &str, kind: KeyKind, public: &[u8; 32]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name);
        }
        let public = VerifyingKey::from_bytes(public).map_err(|_| KeyError::Public)?;
        Ok(Self { name: name.into(), kind, public })
    }

    /// The key's name: for a log's own key its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it signs.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The Ed25519 public key.
    pub fn public(&self) -> [u8; 32] {
        self.public.to_bytes()
    }

    /// What its signatures are found by, together with the name.
    pub fn id(&self) -> KeyId {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', self.kind as u8])
            .chain_update(self.public.as_bytes())
            .finalize();
        KeyId([hash[0], hash[1], hash[2], hash[3]])
    }

    pub(super) fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        self.public.verify_strict(message, signature).is_ok()
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    /// Reads the text of a verifier key, given without a newline.
    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.len() > MAX {
            return Err(KeyError::Form);
        }
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(base64)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(KeyError::Form);
        };
        let typed = super::decode_base64(base64).ok_or(KeyError::Form)?;
        let kind = match typed.first() {
            Some(0x01) => KeyKind::Ed25519,
            Some(0x04) => KeyKind::CosignatureV1,
            _ => return Err(KeyError::Kind),
        };
        let public = typed[1..].try_into().map_err(|_| KeyError::Public)?;
        let key = Self::new(name, kind, &public)?;
        if key.id().to_string() != id { Err(KeyError::Id) } else { Ok(key) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[self.kind as u8][..], self.public.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, self.id(), BASE64.encode(&typed))
    }
}
