//! Signed notes: a text and lines of signatures under it (c2sp.org/signed-note).
//!
//! ```text
//! the text, which ends with a newline
//!
//! — <key name> <base64 of key id and signature>
//! ```

mod key;

use std::fmt;

use data_encoding::BASE64;
use ed25519_dalek::Signature as Ed25519;

use super::keys::SignKey;
pub use key::{KeyError, KeyId, KeyKind, VerifierKey};

/// The longest text of a note, bytes.
pub const MAX_TEXT: usize = 64 << 10;
/// The most signatures under a note; the specification asks for at least 16.
pub const MAX_SIGNATURES: usize = 100;
/// The longest signature line, bytes: a post-quantum signature has up to 5 kB.
pub const MAX_SIGNATURE_LINE: usize = 16 << 10;

/// What a signature line begins with: em dash and space.
pub const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// A note: parsed, not verified. Its text means nothing before a trusted key has verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    name: String,
    id: KeyId,
    bytes: Vec<u8>,
}

/// What a key says by a valid signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// Ed25519: the text is the key's.
    Plain,
    /// cosignature/v1: the key had seen this text at that time, POSIX seconds.
    At(u64),
}

/// Why a text is no signed note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// No text, or over [`MAX_TEXT`].
    #[error("the note has no text, or more than 64 KiB of it")]
    TextLength,
    /// A control character, which no note may hold.
    #[error("the note holds a control character")]
    Control,
    /// No blank line with signatures after it.
    #[error("the note has no blank line followed by signature lines")]
    Unsigned,
    /// A line below the blank line is no signature.
    #[error("signature line {0} of the note does not have the form '\u{2014} NAME BASE64'")]
    Signature(usize),
    /// Over [`MAX_SIGNATURES`].
    #[error("the note has more than 100 signatures")]
    TooMany,
}

/// Why a key does not vouch for a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// No signature has the key's name and id.
    #[error("the note has no signature of this key")]
    NotSigned,
    /// A signature names the key, but is not its signature of this text.
    #[error("the note has a signature that names this key and is false")]
    Forged,
}

impl Note {
    /// A text without signatures yet; the same rules for it as in [`Note::parse`].
    pub fn new(text: &str) -> Result<Self, NoteError> {
        if text.is_empty() || text.len() > MAX_TEXT || !text.ends_with('\n') {
            return Err(NoteError::TextLength);
        }
        if text.contains(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Control);
        }
        Ok(Self { text: text.into(), signatures: Vec::new() })
    }

    /// Reads a note: strict, and bounded by the constants of this module.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        let blank = note.rfind("\n\n").ok_or(NoteError::Unsigned)?;
        let mut parsed = Self::new(&note[..=blank])?;
        parsed.signatures = parse_signatures(&note[blank + 2..])?;
        Ok(parsed)
    }

    /// The text, with its last newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature line below the others; one that is there already is not added again.
    pub fn add(&mut self, signature: Signature) {
        if !self.signatures.contains(&signature) {
            self.signatures.push(signature);
        }
    }

    /// Adds the Ed25519 signature of `secret`, whose verifier key is `key`.
    pub fn sign(&mut self, key: &VerifierKey, secret: &SignKey) {
        let bytes = secret.sign(self.text.as_bytes()).to_vec();
        self.add(Signature { name: key.name().into(), id: key.id(), bytes });
    }

    /// Whether `key` vouches for the text. All signatures in its name have to hold; of several
    /// cosignatures the oldest counts, which says since when.
    pub fn verify(&self, key: &VerifierKey) -> Result<Signed, VerifyError> {
        let of_key = self.signatures.iter().filter(|s| s.name == key.name() && s.id == key.id());
        let mut oldest = None;
        for signature in of_key {
            let signed = self.check(key, &signature.bytes).ok_or(VerifyError::Forged)?;
            oldest = Some(match (oldest, signed) {
                (Some(Signed::At(a)), Signed::At(b)) => Signed::At(a.min(b)),
                _ => signed,
            });
        }
        oldest.ok_or(VerifyError::NotSigned)
    }

    fn check(&self, key: &VerifierKey, bytes: &[u8]) -> Option<Signed> {
        match key.kind() {
            KeyKind::Ed25519 => {
                let signature = Ed25519::from_slice(bytes).ok()?;
                key.verify(self.text.as_bytes(), &signature).then_some(Signed::Plain)
            }
            // c2sp.org/tlog-cosignature: the time, big endian, then the signature of time and text.
            KeyKind::CosignatureV1 => {
                let (time, signature) = bytes.split_first_chunk()?;
                let time = u64::from_be_bytes(*time);
                let signature = Ed25519::from_slice(signature).ok()?;
                let message = format!("cosignature/v1\ntime {time}\n{}", self.text);
                let valid = time <= i64::MAX as u64 && key.verify(message.as_bytes(), &signature);
                valid.then_some(Signed::At(time))
            }
        }
    }
}

/// Reads signature lines without a text, as a witness answers them; each ends with a newline.
pub fn parse_signatures(lines: &str) -> Result<Vec<Signature>, NoteError> {
    let lines = lines.strip_suffix('\n').ok_or(NoteError::Unsigned)?;
    let mut signatures = Vec::new();
    for (line, n) in lines.split('\n').zip(1..) {
        if n > MAX_SIGNATURES {
            return Err(NoteError::TooMany);
        }
        signatures.push(Signature::parse(line).ok_or(NoteError::Signature(n))?);
    }
    Ok(signatures)
}

/// Standard base64 in the one form that encodes these bytes: the decoder itself would also take several
/// padded pieces in a row.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode(text.as_bytes()).ok()?;
    (BASE64.encode(&bytes) == text).then_some(bytes)
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        if line.len() > MAX_SIGNATURE_LINE {
            return None;
        }
        let (name, base64) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        if !key::is_name(name) {
            return None;
        }
        let decoded = decode_base64(base64)?;
        let (id, bytes) = decoded.split_first_chunk()?;
        if bytes.is_empty() {
            return None;
        }
        Some(Self { name: name.into(), id: KeyId(*id), bytes: bytes.into() })
    }

    /// The name of the key that it claims to be of.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id of the key that it claims to be of.
    pub fn id(&self) -> KeyId {
        self.id
    }
}

/// The line with its newline.
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base64 = BASE64.encode(&[&self.id.0[..], &self.bytes].concat());
        writeln!(f, "{SIGNATURE_PREFIX}{} {base64}", self.name)
    }
}

/// The whole note, byte for byte as it was parsed.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| signature.fmt(f))
    }
}

#[cfg(test)]
mod tests;
