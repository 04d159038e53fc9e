//! `auditlog verify-proof`: whether a line is in a log, without the log.

mod check;
mod tell;

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;

use clap::Args;

use self::check::check;
use super::error::{Error, Exit, told};
use super::given_key;
use super::output::{Form, Out};
use crate::ledger::note::{KeyKind, VerifierKey};
use crate::ledger::proof;

const HELP: &str = "\
Needs the proof and the log's verifier key, which has to come from elsewhere than the proof: as
text, or a copy of the file checkpoint.vkey in the log's state directory. No configuration, no log,
no network.

What PROVEN means: whoever held the log's checkpoint key signed a tree that has exactly this line at
exactly this place. The line's sender and time are what the log's host said. With --witness also
that the witness had seen that tree at the time it states, and no other history of the log.

Examples:
  auditlog verify-proof event.tlog-proof --vkey checkpoint.vkey
  auditlog verify-proof event.tlog-proof --vkey 'web1/auditlog/9b…+1f0c3d5e+AT…' --format json
  auditlog verify-proof event.tlog-proof --vkey checkpoint.vkey --witness 'witness.example/w1+…'

Exit codes:
  0  PROVEN: the line is in the log, and every witness given has signed it too
  2  the command line is wrong
  3  a file cannot be read
  4  FALSE: the proof does not hold
  6  UNVERIFIABLE: it is no proof, of another log, or without the signature of a witness given";

/// Verify a proof that an event is in a log
///
/// The log itself is not needed.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct VerifyProof {
    /// The proof, as `auditlog prove` wrote it; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The verifier key of the log's checkpoints, or a file with it
    #[arg(long, value_name = "TEXT|FILE")]
    vkey: OsString,
    /// The verifier key of a witness who has to have signed too, or a file with it; may be repeated
    #[arg(long, value_name = "TEXT|FILE")]
    witness: Vec<OsString>,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Form,
}

impl VerifyProof {
    pub(super) fn run(&self, out: &mut Out) -> Result<Exit, Error> {
        let key = given_key::verifier(&self.vkey, KeyKind::Ed25519)?;
        let witnesses: Vec<VerifierKey> = self
            .witness
            .iter()
            .map(|given| given_key::verifier(given, KeyKind::CosignatureV1))
            .collect::<Result<_, _>>()?;
        let result = check(self.read()?, &key, &witnesses);
        let exit = match &result {
            Ok(_) => Exit::Done,
            Err(unproven) => unproven.exit,
        };
        let text = match self.format {
            Form::Json => tell::json(&result, &out.look),
            Form::Text => tell::text(&result, &out.look),
        };
        told(out.line(text).and_then(|()| out.flush()), exit)
    }

    /// The file, or as much of it as shows that it is too long.
    fn read(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let limit = proof::MAX_FILE as u64 + 1;
        let read = match self.file.as_os_str() == "-" {
            true => std::io::stdin().take(limit).read_to_end(&mut bytes),
            false => std::fs::File::open(&self.file)
                .and_then(|file| file.take(limit).read_to_end(&mut bytes)),
        };
        let path = self.file.clone();
        read.map_err(|source| Error::File { action: "read", path, source })?;
        Ok(bytes)
    }
}
