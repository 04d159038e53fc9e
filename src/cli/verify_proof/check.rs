//! The steps of the check, and what comes out.

use serde::Serialize;

use crate::cli::error::Exit;
use crate::clock::rfc3339;
use crate::ledger::line;
use crate::ledger::note::{Note, Signed, VerifierKey, VerifyError};
use crate::ledger::proof::{FileError, TlogProof, verify_inclusion};
use crate::ledger::tree::leaf_hash;

/// What the keys given vouch for.
pub(super) struct Proven {
    pub proof: TlogProof,
    /// The line, without LF; its form has been checked.
    pub line: Vec<u8>,
    pub witnesses: Vec<Witness>,
}

/// A witness's statement.
#[derive(Serialize)]
pub(super) struct Witness {
    pub name: String,
    /// RFC 3339.
    pub time: String,
}

/// Why nothing is proven.
pub(super) struct Unproven {
    pub exit: Exit,
    pub why: String,
}

fn is_false(why: impl Into<String>) -> Unproven {
    Unproven { exit: Exit::Tampered, why: why.into() }
}

fn unverifiable(why: impl Into<String>) -> Unproven {
    Unproven { exit: Exit::Unverifiable, why: why.into() }
}

/// The steps of c2sp.org/tlog-proof, "Verifying a tlog proof".
pub(super) fn check(
    file: Vec<u8>,
    key: &VerifierKey,
    witnesses: &[VerifierKey],
) -> Result<Proven, Unproven> {
    let text = String::from_utf8(file).map_err(|_| unverifiable(FileError::Magic.to_string()))?;
    let mut proof = TlogProof::parse(&text).map_err(|e| unverifiable(e.to_string()))?;
    let line = proof.extra.take().ok_or_else(|| {
        unverifiable("it does not hold the line that it is about, so auditlog did not write it")
    })?;
    signed_by(&proof.note, key)?;
    if proof.checkpoint.origin != key.name() {
        return Err(is_false(format!(
            "the key of {} signed a checkpoint of {}",
            key.name(),
            proof.checkpoint.origin
        )));
    }
    let mut seen = Vec::new();
    for witness in witnesses {
        if let Signed::At(time) = signed_by(&proof.note, witness)? {
            let ns = i64::try_from(time).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
            seen.push(Witness { name: witness.name().into(), time: rfc3339(ns) });
        }
    }
    let TlogProof { index, path, checkpoint, .. } = &proof;
    if !verify_inclusion(&leaf_hash(&line), *index, checkpoint.size, path, &checkpoint.root) {
        return Err(is_false(format!(
            "the line in it does not lead to the signed root as leaf {index} of {}: the line, its place or its path was changed",
            checkpoint.size
        )));
    }
    match line::parse(&line) {
        Ok(parsed) if parsed.seq == *index => {}
        Ok(parsed) => {
            return Err(is_false(format!(
                "leaf {index} of the log says that it is {}",
                parsed.seq
            )));
        }
        Err(e) => return Err(is_false(format!("leaf {index} of the log is no line of one: {e}"))),
    }
    Ok(Proven { proof, line, witnesses: seen })
}

fn signed_by(note: &Note, key: &VerifierKey) -> Result<Signed, Unproven> {
    note.verify(key).map_err(|e| match e {
        VerifyError::NotSigned => {
            let names: Vec<_> = note.signatures().iter().map(|s| s.name()).collect();
            unverifiable(format!(
                "its checkpoint has no signature of the key {} ({}); it is signed by {}",
                key.id(),
                key.name(),
                names.join(", ")
            ))
        }
        VerifyError::Forged => {
            is_false(format!("the signature in the name of {} is not its signature", key.name()))
        }
    })
}
