//! Keys as they are given: in the command line or in a file.

use std::path::Path;

use zeroize::Zeroizing;

use crate::cli::error::Error;
use crate::ledger::auditor;
use crate::ledger::note::VerifierKey;

/// A key of 32 bytes: 64 hex digits, or a file with them.
pub(super) fn key(text: &str) -> Result<[u8; 32], Error> {
    match parse(text) {
        Some(key) => Ok(key),
        None if !Path::new(text).exists() => {
            Err(Error::Usage(format!("'{text}' is neither 64 hex digits nor a file")))
        }
        None => key_file(Path::new(text)),
    }
}

/// The same, always in a file.
pub(super) fn key_file(path: &Path) -> Result<[u8; 32], Error> {
    parse(&read(path)?).ok_or_else(|| {
        Error::Usage(format!("'{}' is no key: it should hold 64 hex digits", path.display()))
    })
}

/// A C2SP verifier key, or a file with it.
pub(super) fn verifier_key(text: &str) -> Result<VerifierKey, Error> {
    match text.trim().parse::<VerifierKey>() {
        Ok(key) => Ok(key),
        Err(_) if Path::new(text).exists() => verifier_key_file(Path::new(text)),
        Err(e) => Err(Error::Usage(format!("'{text}' is neither a verifier key nor a file: {e}"))),
    }
}

/// The same, always in a file.
pub(super) fn verifier_key_file(path: &Path) -> Result<VerifierKey, Error> {
    let key = read(path)?.trim().parse();
    key.map_err(|e| Error::Usage(format!("'{}' holds no verifier key: {e}", path.display())))
}

fn parse(text: &str) -> Option<[u8; 32]> {
    auditor::parse(text).map(|key| *key)
}

fn read(path: &Path) -> Result<Zeroizing<String>, Error> {
    let text = std::fs::File::open(path).and_then(auditor::read_text);
    text.map_err(|source| Error::KeyFile { path: path.into(), source })
}
