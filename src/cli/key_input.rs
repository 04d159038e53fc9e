//! Keys as they are given to a command: as text, or as a file that holds one.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use super::error::Error;
use crate::ledger::keys::text;
use crate::ledger::note::{KeyKind, VerifierKey};

/// A key of 32 bytes: 64 hex digits, or a file with them.
pub(super) fn key(given: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
    match text::parse(given) {
        Some(key) => Ok(key),
        None if !Path::new(given).exists() => {
            Err(Error::Usage(format!("'{given}' is neither 64 hex digits nor a file")))
        }
        None => key_file(Path::new(given)),
    }
}

/// The same, always in a file: a secret is no argument, for everybody on the host can read those.
pub(super) fn key_file(path: &Path) -> Result<Zeroizing<[u8; 32]>, Error> {
    key_from(path, File::open(path))
}

/// The same, in something that is opened already, or could not be; `path` is what it is called.
pub(super) fn key_from(
    path: &Path,
    opened: std::io::Result<impl Read>,
) -> Result<Zeroizing<[u8; 32]>, Error> {
    text::parse(&read(path, opened)?).ok_or_else(|| {
        Error::Usage(format!("'{}' is no key: it should hold 64 hex digits", path.display()))
    })
}

/// A C2SP verifier key, or a file with it; it has to sign as `kind` says.
pub(super) fn verifier_key(given: &str, kind: KeyKind) -> Result<VerifierKey, Error> {
    match given.trim().parse() {
        Ok(key) => of_kind(key, kind, given),
        Err(_) if Path::new(given).exists() => verifier_key_file(Path::new(given), kind),
        Err(e) => Err(Error::Usage(format!("'{given}' is neither a verifier key nor a file: {e}"))),
    }
}

/// The same, always in a file.
pub(super) fn verifier_key_file(path: &Path, kind: KeyKind) -> Result<VerifierKey, Error> {
    let key = read(path, File::open(path))?.trim().parse();
    let key =
        key.map_err(|e| Error::Usage(format!("'{}' holds no verifier key: {e}", path.display())))?;
    of_kind(key, kind, &path.display().to_string())
}

fn of_kind(key: VerifierKey, kind: KeyKind, given: &str) -> Result<VerifierKey, Error> {
    if key.kind() == kind {
        return Ok(key);
    }
    let (is, wanted) = match kind {
        KeyKind::Ed25519 => ("a witness", "a log (checkpoint.vkey in its state directory)"),
        KeyKind::CosignatureV1 => ("a log", "a witness, as whoever runs it publishes it"),
    };
    Err(Error::Usage(format!("'{given}' is the key of {is}; give that of {wanted}")))
}

fn read(path: &Path, opened: std::io::Result<impl Read>) -> Result<Zeroizing<String>, Error> {
    let text = opened.and_then(text::read);
    text.map_err(|source| Error::KeyFile { path: path.into(), source })
}
