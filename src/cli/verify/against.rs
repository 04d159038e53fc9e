//! Which log is verified, and against what: the options that `verify` and `attest` share.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::cli::context::Context;
use crate::cli::error::Error;
use crate::cli::given_key;
use crate::cli::output::note;
use crate::cli::progress::{bar, restyle};
use crate::cli::text::visible;
use crate::engine::{Database, Phase, verify_all};
use crate::event::FieldMap;
use crate::ledger::Paths;
use crate::ledger::note::{KeyKind, VerifierKey};
use crate::ledger::verify::{Given, Options, Report, read_anchors};

const BAR: &str = "{msg:8} {bar:24} {percent}% of {total_bytes}, {bytes_per_sec}, {eta} left";
const SPINNER: &str = "database {spinner} its own check of itself, for {elapsed} now";

/// How often the spinner moves.
const TICK: Duration = Duration::from_millis(200);

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
    /// There is a copy of all seals, by which a cut of the log's end shows.
    pub seals: bool,
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
        let seals = options.paths.seals().exists();
        Ok(Target { options, database, fields, key_from_here, seals })
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
        if let Some(path) = &self.auditor_key {
            warn_if_open(path);
        }
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
            for damage in &anchors.damaged {
                let from = visible(&from);
                note(format!(
                    "warning: {from}, {damage}; it was left out, the other anchors are used"
                ));
            }
            options.anchors.extend(
                anchors.list.into_iter().map(|anchor| Given { from: from.clone(), anchor }),
            );
        }
        options.max_gap_ns = self.max_gap.as_deref().map(crate::cli::time::duration).transpose()?;
        Ok(options)
    }
}

/// The auditor key is a secret.
fn warn_if_open(path: &Path) {
    let mode = std::fs::metadata(path).map_or(0, |meta| meta.permissions().mode());
    if mode & 0o077 != 0 {
        let path = path.display();
        note(format!("warning: '{path}' holds a secret, and others may read it: chmod 600 it"));
    }
}

impl Target {
    /// Verifies it, with a progress bar.
    pub fn verify(&self) -> Report {
        let shown = bar(Some(0), Duration::ZERO, BAR).with_message("log");
        let mut phase = Phase::Log;
        let database = Database { path: &self.database, fields: self.fields.as_ref() };
        let report = verify_all(&self.options, Some(database), &mut |now, done, total| {
            if std::mem::replace(&mut phase, now) != now {
                shown.reset();
                shown.set_message("database");
                if now == Phase::Consistency {
                    restyle(&shown, SPINNER);
                    shown.enable_steady_tick(TICK);
                }
            }
            shown.set_length(total);
            shown.set_position(done);
        });
        shown.finish_and_clear();
        report
    }
}
