//! Verifier keys on the command line: as text, or as a file that holds one.

use std::path::Path;

use super::error::Error;
use crate::ledger::note::{KeyKind, VerifierKey};

/// The key that `given` is, or that the file of this name holds; it has to sign as `kind` says.
pub(super) fn read(given: &str, kind: KeyKind) -> Result<VerifierKey, Error> {
    let text = match given.contains('+') && !Path::new(given).exists() {
        true => given.to_owned(),
        false => std::fs::read_to_string(given)
            .map_err(|source| Error::KeyFile { path: given.into(), source })?,
    };
    let key: VerifierKey =
        text.trim().parse().map_err(|e| Error::Usage(format!("'{given}' cannot be used: {e}")))?;
    if key.kind() != kind {
        let (is, wanted) = match kind {
            KeyKind::Ed25519 => ("a witness", "a log (checkpoint.vkey in its state directory)"),
            KeyKind::CosignatureV1 => ("a log", "a witness, as whoever runs it publishes it"),
        };
        return Err(Error::Usage(format!("'{given}' is the key of {is}; give that of {wanted}")));
    }
    Ok(key)
}
