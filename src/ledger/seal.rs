//! Seals: the signed statement that closes an epoch (docs/ledger-format.md, "Epochs and seals").

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::hex;
use super::keys::{LogId, SignKey};
use super::line;
use super::tree::Hash;

/// What is signed starts with this, then the 16 bytes of the log id, then the line up to its signature.
const CONTEXT: &[u8] = b"auditlog/v1/seal\n";
const SIG: &str = r#","sig":""#;

/// Why an epoch was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It had been open for `epoch_seconds`.
    Time,
    /// It had `epoch_lines` lines.
    Size,
    /// Nothing had happened for `idle_seconds`.
    Idle,
    /// The log was created: its first record is sealed at once, so that there is always a seal.
    Created,
    /// The segment was closed.
    Rotate,
    /// The daemon stopped.
    Stop,
    /// The daemon started after a stop; the epoch has no lines.
    Start,
    /// The daemon started after a crash; the line key of this epoch's lines was lost with it.
    Recovered,
}

impl Reason {
    /// Whether the seal's own mac comes from the next epoch's key, since this epoch's is gone.
    pub fn key_was_lost(self) -> bool {
        matches!(self, Reason::Start | Reason::Recovered)
    }

    /// The word in the seal.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Time => "time",
            Reason::Size => "size",
            Reason::Idle => "idle",
            Reason::Created => "created",
            Reason::Rotate => "rotate",
            Reason::Stop => "stop",
            Reason::Start => "start",
            Reason::Recovered => "recovered",
        }
    }
}

/// 32 bytes that stand in JSON as 64 lowercase hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex(pub Hash);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(d)?;
        hex::decode(&text).map(Hex).ok_or_else(|| serde::de::Error::custom("not 64 hex digits"))
    }
}

/// The members of a seal but for its signature, in the order in which they are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The epoch it closes.
    pub epoch: u64,
    /// The epoch's first leaf.
    pub first_seq: u64,
    /// Leaves before this seal, which is also its own seq.
    pub size: u64,
    /// The tree's root over those leaves.
    pub root: Hex,
    /// SHA-256 of the previous seal's line; zeros in the first.
    pub prev: Hex,
    /// SHA-256 of the header line, without LF, of the segment that the seal stands in.
    pub header: Hex,
    /// The public key that signs the next seal.
    pub next_pub: Hex,
    /// CLOCK_BOOTTIME at the close, nanoseconds.
    pub boottime_ns: u64,
    /// The kernel's boot id.
    pub boot_id: String,
    /// Why the epoch was closed.
    pub reason: Reason,
}

#[derive(Deserialize)]
struct Signed {
    #[serde(flatten)]
    seal: Seal,
    sig: String,
}

/// Why a seal cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the seal does not have the form of one: {0}")]
pub struct SealError(String);

/// Appends the line of `seal`, up to its tail, signed with `key`.
pub fn push(out: &mut Vec<u8>, log_id: &LogId, ts: &str, id: &[u8], seal: &Seal, key: &SignKey) {
    // A struct of strings and integers cannot fail to serialize.
    let json = serde_json::to_string(seal).unwrap_or_default();
    let start = out.len();
    line::push_seal(out, seal.size, ts, id, json.strip_suffix('}').unwrap_or_default());
    let signature = key.sign(&message(log_id, &out[start..]));
    out.extend_from_slice(SIG.as_bytes());
    out.extend_from_slice(HEXLOWER.encode(&signature).as_bytes());
    out.extend_from_slice(b"\"}");
}

/// Reads the seal object of a line; its signature is for [`verify`].
pub fn parse(json: &str) -> Result<Seal, SealError> {
    let signed: Signed = serde_json::from_str(json).map_err(|e| SealError(e.to_string()))?;
    let mut again = serde_json::to_string(&signed.seal).map_err(|e| SealError(e.to_string()))?;
    again.pop();
    again.push_str(SIG);
    again.push_str(&signed.sig);
    again.push_str("\"}");
    if again != json || signed.sig.len() != 128 {
        return Err(SealError("its members are not the known ones in their order".into()));
    }
    Ok(signed.seal)
}

/// Whether the signature in a whole seal line is `public`'s.
pub fn verify(line: &[u8], log_id: &LogId, public: &Hash) -> bool {
    let Some((signed, signature)) = split(line) else { return false };
    let Ok(signature) = HEXLOWER.decode(signature) else { return false };
    let Ok(signature) = Signature::from_slice(&signature) else { return false };
    let Ok(key) = VerifyingKey::from_bytes(public) else { return false };
    key.verify_strict(&message(log_id, signed), &signature).is_ok()
}

/// What is signed of a whole seal line, and the signature's hex digits.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    // The line ends in `,"sig":"` 128 hex digits `"}` and the 74-byte tail.
    let rest = line.get(..line.len().checked_sub(line::TAIL)?)?.strip_suffix(b"\"}")?;
    let (signed, signature) = rest.split_at_checked(rest.len().checked_sub(128)?)?;
    Some((signed.strip_suffix(SIG.as_bytes())?, signature))
}

/// [`Reason::key_was_lost`] of what looks like a seal's whole line. Right for every seal that [`parse`]
/// takes.
pub fn peek_key_was_lost(line: &[u8]) -> bool {
    split(line).is_some_and(|(signed, _)| {
        signed.ends_with(br#""reason":"start""#) || signed.ends_with(br#""reason":"recovered""#)
    })
}

/// What the next seal's `prev` says of this seal's whole line.
pub fn hash(line: &[u8]) -> Hash {
    Sha256::digest(line).into()
}

fn message(log_id: &LogId, signed: &[u8]) -> Vec<u8> {
    [CONTEXT, log_id, signed].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> (Vec<u8>, Hash, Seal) {
        let key = SignKey::from_seed(&[3; 32]).expect("key");
        let seal = Seal {
            epoch: 2,
            first_seq: 10,
            size: 20,
            root: Hex([1; 32]),
            prev: Hex([2; 32]),
            header: Hex([5; 32]),
            next_pub: Hex([3; 32]),
            boottime_ns: 5,
            boot_id: "4d8f".into(),
            reason: Reason::Time,
        };
        let mut out = Vec::new();
        push(&mut out, &[9; 16], "2026-11-21T01:23:45.123456789Z", b"\"x-20\"", &seal, &key);
        line::push_tail(&mut out, &[4; 32]);
        (out, key.public(), seal)
    }

    #[test]
    fn a_seal_reads_back_and_verifies() {
        let (bytes, public, seal) = sealed();
        let line::Body::Seal(json) = line::parse(&bytes).expect("a line").body else {
            panic!("not a seal")
        };
        assert_eq!(parse(json).expect("a seal"), seal);
        assert!(verify(&bytes, &[9; 16], &public));
        assert!(!verify(&bytes, &[8; 16], &public), "another log");
        assert!(!verify(&bytes, &[9; 16], &[0; 32]), "another key");
    }

    #[test]
    fn every_changed_byte_before_the_mac_breaks_the_signature() {
        let (bytes, public, _) = sealed();
        for at in 0..bytes.len() - line::TAIL {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!verify(&changed, &[9; 16], &public), "byte {at}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_readers_panic(text: String, bytes: Vec<u8>, cut in 0usize..900) {
            let (whole, public, _) = sealed();
            let _ = parse(&text);
            proptest::prop_assert!(!verify(&bytes, &[9; 16], &public));
            let cut = cut.min(whole.len() - 1);
            proptest::prop_assert!(!verify(&whole[..cut], &[9; 16], &public));
            // The tail is covered by the tree, not by the signature.
            let changed = [&whole[..cut], &bytes].concat();
            let signed = whole.len() - line::TAIL;
            let unchanged = changed.len() == whole.len() && changed[..signed] == whole[..signed];
            proptest::prop_assert!(unchanged || !verify(&changed, &[9; 16], &public));
        }
    }

    #[test]
    fn members_added_or_moved_are_refused() {
        let (bytes, _, _) = sealed();
        let text = String::from_utf8(bytes).expect("utf-8");
        let json = text.split_once(r#""seal":"#).expect("seal").1;
        let json = &json[..json.len() - line::TAIL];
        assert!(parse(json).is_ok());
        for bad in [json.replacen('{', r#"{"x":1,"#, 1), json.replace(":10,", ": 10,")] {
            assert!(parse(&bad).is_err(), "{bad}");
        }
    }
}
