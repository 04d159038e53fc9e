//! Which log is verified, and against what: the options that `verify` and `attest` share.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::given_key;
use crate::cli::output::note;
use crate::cli::progress::bar;
use crate::cli::text::visible;
use crate::engine::{Database, verify_all};
use crate::event::FieldMap;
use crate::ledger::Paths;
use crate::ledger::note::{KeyKind, VerifierKey};
use crate::ledger::verify::{Given, Options, Report, read_anchors};

const BAR: &str = "{bar:30} {percent}% of {total_bytes}, {bytes_per_sec}, {eta} left";

/// The log, and what vouches for it.
#[derive(Args, Debug)]
pub(in crate::cli) struct Against {
    /// A copy of a log in place of this host's own
    #[arg(value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// The genesis public key, 64 hex digits, or a file with it
    #[arg(long, value_name = "HEX|FILE")]
    pub key: Option<OsString>,
    /// A file with checkpoints or receipts that were kept off the host; may be repeated
    #[arg(long = "anchor", value_name = "FILE")]
    pub anchors: Vec<PathBuf>,
    /// A witness whose cosignature of a checkpoint beside the log counts as an anchor; may be repeated
    #[arg(long = "witness", value_name = "VKEY|FILE")]
    pub witnesses: Vec<OsString>,
    /// The key of checkpoints, for a log whose beginning was pruned; else leaf 0 names it
    #[arg(long, value_name = "VKEY|FILE")]
    pub vkey: Option<OsString>,
    /// The auditor key: a file with 64 hex digits
    #[arg(long, value_name = "FILE")]
    pub auditor_key: Option<PathBuf>,
    /// Say INCOMPLETE if nothing was written for longer (15m, 2h, 1d); on this host's log also until now
    #[arg(long, value_name = "DURATION")]
    pub max_gap: Option<String>,
}

/// The log that was asked for.
pub(in crate::cli) struct Target {
    /// What it is verified against.
    pub options: Options,
    /// Where its database would be.
    pub database: PathBuf,
    /// The field map of the configuration, if that is of the same host.
    pub fields: Option<FieldMap>,
    /// The genesis key was not given but found on this host.
    pub key_from_here: bool,
}

impl Against {
    /// Reads the keys and anchors.
    pub fn target(&self, context: &Context) -> Result<Target, Error> {
        let (paths, database, fields) = match &self.dir {
            Some(dir) => {
                let paths = Paths { log_dir: dir.clone(), state_dir: dir.clone() };
                (paths, dir.join("audit.db"), None)
            }
            None => {
                let config = context.config()?;
                let (log_dir, state_dir) = (config.log_dir.clone(), config.state_dir.clone());
                let fields = config.field_map()?;
                (Paths { log_dir, state_dir }, config.database(), Some(fields))
            }
        };
        let options = self.options(paths)?;
        let key_from_here = self.dir.is_none() && self.key.is_none() && options.genesis.is_some();
        Ok(Target { options, database, fields, key_from_here })
    }

    fn options(&self, paths: Paths) -> Result<Options, Error> {
        let mut options = Options::new(paths);
        options.live = self.dir.is_none();
        options.genesis = match (&self.key, options.paths.genesis_pub()) {
            (Some(text), _) => Some(*given_key::hex(text)?),
            // Never one from a copy: whoever made the copy chose it.
            (None, path) if self.dir.is_none() && path.exists() => {
                Some(*given_key::hex_file(&path)?)
            }
            (None, _) => None,
        };
        options.checkpoint_key = match (&self.vkey, options.paths.checkpoint_vkey()) {
            (Some(text), _) => Some(given_key::verifier(text, KeyKind::Ed25519)?),
            (None, path) if self.dir.is_none() && path.exists() => {
                Some(given_key::verifier(path.as_os_str(), KeyKind::Ed25519)?)
            }
            (None, _) => None,
        };
        options.auditor_key = self.auditor_key.as_deref().map(given_key::hex_file).transpose()?;
        let witnesses =
            self.witnesses.iter().map(|text| given_key::verifier(text, KeyKind::CosignatureV1));
        options.witnesses = witnesses.collect::<Result<Vec<VerifierKey>, Error>>()?;
        for path in &self.anchors {
            let (anchors, cut) = read_anchors(path)
                .map_err(|source| Error::Anchor { path: path.clone(), source })?;
            let from = path.display().to_string();
            if cut {
                let from = visible(&from);
                note(format!("{from} is longer than 64 MiB: only the anchors at its end are used"));
            }
            options
                .anchors
                .extend(anchors.into_iter().map(|anchor| Given { from: from.clone(), anchor }));
        }
        options.max_gap_ns = self.max_gap.as_deref().map(crate::cli::time::duration).transpose()?;
        Ok(options)
    }
}

impl Target {
    /// Verifies it, with a progress bar.
    pub fn verify(&self) -> Report {
        let bar = bar(Some(0), Duration::ZERO, BAR);
        let database = Database { path: &self.database, fields: self.fields.as_ref() };
        let report = verify_all(&self.options, Some(database), &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        report
    }
}
