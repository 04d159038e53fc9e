//! A proof as a file of its own (c2sp.org/tlog-proof): whoever has it and the log's verifier key needs
//! nothing else.
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra <base64 of the leaf's line>
//! index <seq>
//! <base64 of a hash>                 …
//!
//! <the signed checkpoint>
//! ```

use std::fmt;

use data_encoding::BASE64;

use super::MAX_HASHES;
use crate::ledger::checkpoint::{Checkpoint, CheckpointError, parse_hash, parse_number};
use crate::ledger::note::{Note, NoteError, decode_base64};
use crate::ledger::tree::Hash;

/// The first line.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";
/// The longest file of a proof: its line in base64 and a note with 100 signatures fit in easily.
pub const MAX_FILE: usize = 2 << 20;

/// An inclusion proof with the checkpoint that it leads to. Nothing of it has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    /// What travels with it: here the leaf's line, without LF. Worth nothing before the proof holds for its
    /// hash.
    pub extra: Option<Vec<u8>>,
    /// The leaf's index, which is its seq.
    pub index: u64,
    /// The siblings, from the leaf's up to the root's child.
    pub path: Vec<Hash>,
    /// The signed checkpoint.
    pub note: Note,
    /// What it says.
    pub checkpoint: Checkpoint,
}

/// Why a text is no proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Over [`MAX_FILE`].
    #[error("it is longer than 2 MiB")]
    TooLong,
    /// Another first line.
    #[error("it is no tlog-proof: its first line is not 'c2sp.org/tlog-proof@v1'")]
    Magic,
    /// The line `extra`.
    #[error("its extra line is not 'extra' and base64")]
    Extra,
    /// The line `index`.
    #[error("it has no line 'index N' where one has to be")]
    Index,
    /// A line of the path.
    #[error("its hash {0} is not 32 bytes in base64")]
    Hash(usize),
    /// More hashes than a tree has levels.
    #[error("it has more than 64 hashes")]
    TooManyHashes,
    /// No blank line.
    #[error("it ends before its checkpoint")]
    Cut,
    /// The note.
    #[error("its checkpoint cannot be read: {0}")]
    Note(#[from] NoteError),
    /// The note's text.
    #[error("its checkpoint cannot be read: {0}")]
    Checkpoint(#[from] CheckpointError),
}

impl TlogProof {
    /// Reads a proof: strict, and bounded.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        if text.len() > MAX_FILE {
            return Err(FileError::TooLong);
        }
        let rest = text.strip_prefix(MAGIC).and_then(|rest| rest.strip_prefix('\n'));
        let rest = rest.ok_or(FileError::Magic)?;
        let (head, note) = rest.split_once("\n\n").ok_or(FileError::Cut)?;
        let mut lines = head.split('\n').peekable();
        let extra = match lines.peek().and_then(|line| line.strip_prefix("extra ")) {
            Some(base64) => {
                lines.next();
                Some(decode_base64(base64).ok_or(FileError::Extra)?)
            }
            None => None,
        };
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(parse_number).ok_or(FileError::Index)?;
        let mut path = Vec::new();
        for (line, n) in lines.zip(1..) {
            if n > MAX_HASHES {
                return Err(FileError::TooManyHashes);
            }
            path.push(parse_hash(line).ok_or(FileError::Hash(n))?);
        }
        let note = Note::parse(note)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { extra, index, path, note, checkpoint })
    }
}

/// The whole file.
impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", BASE64.encode(hash)))?;
        write!(f, "\n{}", self.note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of the specification, with hashes that are written out.
    fn example() -> String {
        let hashes = "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\nB95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n";
        let note = "example.com/fancylog\n109482\nsFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=\n\n\u{2014} example.com/fancylog hI2DJ1roloI=\n";
        format!("{MAGIC}\nextra YWdl\nindex 73894\n{hashes}\n{note}")
    }

    #[test]
    fn a_proof_reads_back_byte_for_byte() {
        let proof = TlogProof::parse(&example()).expect("a proof");
        assert_eq!((proof.index, proof.path.len()), (73894, 2));
        assert_eq!(proof.extra.as_deref(), Some(&b"age"[..]));
        assert_eq!(proof.checkpoint.size, 109_482);
        assert_eq!(proof.to_string(), example());
        let bare = example().replace("extra YWdl\n", "");
        assert_eq!(TlogProof::parse(&bare).expect("a proof").extra, None);
        let first = example().replace("\n\n", "\n").replacen("\nexample", "\n\nexample", 1);
        assert!(matches!(TlogProof::parse(&first), Err(FileError::Note(_))), "no signatures");
    }

    #[test]
    fn texts_that_are_no_proofs_are_refused() {
        let good = example();
        let hash = "gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n";
        for (bad, why) in [
            (good.replace("@v1", "@v2"), FileError::Magic),
            (good.replace('\n', "\r\n"), FileError::Magic),
            (good.replace("YWdl", "YWd"), FileError::Extra),
            (good.replace("YWdl", "YQ==YQ=="), FileError::Extra),
            (good.replace("index 7", "index 07"), FileError::Index),
            (good.replace("index 7", "index -7"), FileError::Index),
            (good.replace("extra", "other"), FileError::Index),
            (good.replace("gSKy", "gSK"), FileError::Hash(1)),
            (good.replace(hash, &hash.repeat(64)), FileError::TooManyHashes),
            (good.split("\n\n").next().expect("a part").to_owned(), FileError::Cut),
            (good.replace("\n109482", "\nx"), FileError::Checkpoint(CheckpointError::Size)),
            (good.replace("YWdl", &"YWdl".repeat(MAX_FILE / 4)), FileError::TooLong),
        ] {
            assert_eq!(TlogProof::parse(&bad).err(), Some(why), "{:?}", bad.get(..80));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text: String) {
            let _ = TlogProof::parse(&text);
            let _ = TlogProof::parse(&format!("{MAGIC}\n{text}"));
        }

        #[test]
        fn what_is_accepted_is_written_back_byte_for_byte(at in 0usize..400, with in ".{0,3}") {
            let mut changed = example();
            let at = (at..changed.len()).find(|at| changed.is_char_boundary(*at)).unwrap_or(0);
            changed.replace_range(at..at, &with);
            if let Ok(parsed) = TlogProof::parse(&changed) {
                // Extension lines of a checkpoint stay in its note.
                prop_assert_eq!(parsed.to_string(), changed);
            }
        }
    }
}
