//! Checkpoints: what a log says of itself, as a signed note (c2sp.org/tlog-checkpoint).
//!
//! ```text
//! <host>/auditlog/<log_id>     the origin, which is also the key's name
//! <size>
//! <base64 of the root>
//! ```

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};

use super::hex;
use super::keys::{LogId, SignKey};
use super::note::{KeyError, KeyKind, Note, NoteError, VerifierKey, decode_base64};
use super::tree::{Hash, Tree};

/// What stands in an origin between the host and the log's id.
pub const ORIGIN_PART: &str = "/auditlog/";

/// A log's size and root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Who says so.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The tree's root over them.
    pub root: Hash,
}

/// Why a note's text is no checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Fewer than three lines, or an empty one.
    #[error("a checkpoint is at least three lines: origin, size and root; none is empty")]
    Lines,
    /// The second line.
    #[error("the second line of a checkpoint is the size, decimal, without leading zeros")]
    Size,
    /// The third line.
    #[error("the third line of a checkpoint is the root, 32 bytes in base64")]
    Root,
}

impl Checkpoint {
    /// Reads the text of a note, with its last newline. Extension lines may follow and mean nothing.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let text = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?;
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Lines);
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(CheckpointError::Lines);
        }
        let size = parse_number(size).ok_or(CheckpointError::Size)?;
        let root = parse_hash(root).ok_or(CheckpointError::Root)?;
        Ok(Self { origin: origin.into(), size, root })
    }

    /// The log that the origin names; `None` if it is not of an auditlogd.
    pub fn log_id(&self) -> Option<LogId> {
        log_id(&self.origin)
    }
}

/// The text of the note.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, BASE64.encode(&self.root))
    }
}

/// A number as C2SP texts have it: ASCII decimal without leading zeros.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let plain = digits && (text.len() == 1 || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

/// A hash as C2SP texts have it: 32 bytes in base64.
pub(super) fn parse_hash(text: &str) -> Option<Hash> {
    decode_base64(text)?.try_into().ok()
}

fn log_id(origin: &str) -> Option<LogId> {
    let (_, id) = origin.rsplit_once(ORIGIN_PART)?;
    hex::decode(id)
}

/// Signs the checkpoints of one log.
pub struct Signer {
    key: SignKey,
    verifier: VerifierKey,
}

impl Signer {
    /// The signer of a log that begins on `host`, or that goes on with the key of `known`. The origin
    /// stays the log's for good: it does not follow when the host is renamed. `known` may be any
    /// text; if it is not the verifier key of `key` in this log, that is made anew from `host`.
    pub fn new(key: SignKey, host: &str, log: &LogId, known: &str) -> Result<Self, KeyError> {
        let public = key.public();
        let known = known.trim_end().parse::<VerifierKey>().ok();
        let fits = |key: &VerifierKey| key.public() == public && log_id(key.name()) == Some(*log);
        let verifier = match known.filter(fits) {
            Some(known) => known,
            None => VerifierKey::new(&origin(host, log), KeyKind::Ed25519, &public)?,
        };
        Ok(Self { key, verifier })
    }

    /// What a reader or a witness has to know.
    pub fn verifier_key(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The seed of the key, for its file.
    pub fn seed(&self) -> &[u8; 32] {
        self.key.seed()
    }

    /// The signed checkpoint of `tree`.
    pub fn sign(&self, tree: &Tree) -> Result<Note, NoteError> {
        let origin = self.verifier.name().into();
        let checkpoint = Checkpoint { origin, size: tree.size(), root: tree.root() };
        let mut note = Note::new(&checkpoint.to_string())?;
        note.sign(&self.verifier, &self.key);
        Ok(note)
    }
}

/// Who the checkpoints are of: `<host>/auditlog/<log_id>`. A key's name may hold neither spaces nor
/// plus signs, and a note no control characters.
fn origin(host: &str, log_id: &LogId) -> String {
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    let host: String = host.chars().map(|c| if forbidden(c) { '-' } else { c }).collect();
    format!("{host}{ORIGIN_PART}{}", HEXLOWER.encode(log_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::note::Signed;

    const LOG: LogId = [0xaa; 16];

    fn signer(host: &str, known: &str) -> Signer {
        Signer::new(SignKey::from_seed(&[1; 32]).expect("key"), host, &LOG, known).expect("signer")
    }

    fn tree() -> Tree {
        let mut tree = Tree::default();
        tree.push([2; 32]);
        tree
    }

    #[test]
    fn a_checkpoint_reads_back_and_its_verifier_key_vouches_for_it() {
        let signer = signer("my host+1", "");
        let note = signer.sign(&tree()).expect("a note").to_string();
        let origin = format!("my-host-1/auditlog/{}", "aa".repeat(16));
        let text = format!("{origin}\n1\n{}\n", BASE64.encode(&[2; 32]));
        assert!(note.starts_with(&format!("{text}\n\u{2014} {origin} ")), "{note}");
        let note = Note::parse(&note).expect("parses");
        assert_eq!(note.verify(signer.verifier_key()), Ok(Signed::Plain));
        let checkpoint = Checkpoint::parse(note.text()).expect("a checkpoint");
        assert_eq!(checkpoint, Checkpoint { origin, size: 1, root: [2; 32] });
        assert_eq!(checkpoint.log_id(), Some(LOG));
        assert_eq!(checkpoint.to_string(), text);
    }

    #[test]
    fn the_origin_stays_when_the_host_is_renamed() {
        let first = signer("old", "").verifier_key().to_string();
        let again = signer("new", &format!("{first}\n"));
        assert_eq!(again.verifier_key().to_string(), first);
        let other_log = first.replace("aa", "bb");
        for useless in ["", "x", &other_log] {
            assert!(signer("new", useless).verifier_key().name().starts_with("new/"));
        }
    }

    #[test]
    fn texts_that_are_no_checkpoints_are_refused() {
        let root = BASE64.encode(&[2; 32]);
        let good = format!("o\n10\n{root}\n");
        assert_eq!(Checkpoint::parse(&good).map(|c| c.size), Ok(10));
        assert!(Checkpoint::parse(&format!("{good}an extension\n")).is_ok());
        for bad in [
            format!("\n10\n{root}\n"),
            format!("o\n010\n{root}\n"),
            format!("o\n+1\n{root}\n"),
            format!("o\n\n{root}\n"),
            format!("o\n18446744073709551616\n{root}\n"),
            format!("o\n10\n{}\n", &root[..40]),
            // Two padded pieces in a row, 32 bytes together.
            format!("o\n10\n{}{}\n", BASE64.encode(&[2; 16]), BASE64.encode(&[2; 16])),
            format!("o\n10\n{root}"),
            format!("o\n10\n{root}\n\n"),
            "o\n10\n".to_owned(),
            String::new(),
        ] {
            assert!(Checkpoint::parse(&bad).is_err(), "{bad:?}");
        }
    }
    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text: String) {
            let _ = Checkpoint::parse(&text);
        }
    }
}
