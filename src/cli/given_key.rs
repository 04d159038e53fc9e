//! Keys as they are given: in the command line or in a file.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::error::Error;
use crate::ledger::keys::text;
use crate::ledger::note::{KeyKind, VerifierKey};

/// A key of 32 bytes: 64 hex digits, or a file with them.
pub(super) fn hex(given: &OsStr) -> Result<Zeroizing<[u8; 32]>, Error> {
    match given.to_str().and_then(text::parse) {
        Some(key) => Ok(key),
        None if Path::new(given).exists() => hex_file(Path::new(given)),
        None => {
            let given = given.display();
            Err(Error::Usage(format!(
                "'{given}' is neither 64 hex digits nor a file; a key with blanks in it goes in quotes"
            )))
        }
    }
}

/// The same, always in a file: an argument can be read by everybody on the host.
pub(super) fn hex_file(path: &Path) -> Result<Zeroizing<[u8; 32]>, Error> {
    hex_from(File::open(path), path)
}

/// The same, in what was opened under the name `path`.
pub(super) fn hex_from(
    opened: io::Result<impl Read>,
    path: &Path,
) -> Result<Zeroizing<[u8; 32]>, Error> {
    text::parse(&read(opened, path)?).ok_or_else(|| {
        Error::Usage(format!("'{}' is no key: it should hold 64 hex digits", path.display()))
    })
}

/// A C2SP verifier key, or a file with it; it has to sign as `kind` says.
pub(super) fn verifier(given: &OsStr, kind: KeyKind) -> Result<VerifierKey, Error> {
    let unusable = |what: &str, why: &dyn std::fmt::Display| {
        Error::Usage(format!("'{}' {what}: {why}", given.display()))
    };
    let path = Path::new(given);
    let key: VerifierKey = match given.to_str().unwrap_or_default().trim().parse() {
        Ok(key) => key,
        Err(e) if !path.exists() => {
            return Err(unusable("is neither a verifier key nor a file", &e));
        }
        Err(_) => read(File::open(path), path)?
            .trim()
            .parse()
            .map_err(|e| unusable("holds no verifier key", &e))?,
    };
    if key.kind() != kind {
        let (is, wanted) = match kind {
            KeyKind::Ed25519 => ("a witness", "a log (checkpoint.vkey in its state directory)"),
            KeyKind::CosignatureV1 => ("a log", "a witness, as whoever runs it publishes it"),
        };
        return Err(unusable(
            &format!("is the key of {is}"),
            &format_args!("give that of {wanted}"),
        ));
    }
    Ok(key)
}

fn read(opened: io::Result<impl Read>, path: &Path) -> Result<Zeroizing<String>, Error> {
    let text = opened.and_then(text::read);
    text.map_err(|source| Error::KeyFile { path: path.into(), source })
}
