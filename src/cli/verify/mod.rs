//! `auditlog verify`: whether the log is what its daemon wrote.

mod kept;
mod keys;
mod sentence;
mod text;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::error::{Error, Exit};
use super::output::{Form, Out, note};
use super::progress::bar;
use crate::engine::{Database, verify_all};
use crate::ledger::Paths;
use crate::ledger::note::VerifierKey;
use crate::ledger::verify::{
    Anchored, Figures, Finding, Given, Options, Prune, Report, Since, Verdict, read_anchors,
};
use kept::Kept;

const BAR: &str = "{bar:30} {percent}% of {total_bytes}, {bytes_per_sec}, {eta} left";

const HELP: &str = "\
Without DIR it checks the log of this host and the database against it, and takes the genesis
key that the daemon left in its state directory. Whoever could change the log could change that
one too: keep the key elsewhere, and give it. For a copy of a log in DIR (its segments,
seals.jsonl, perhaps audit.db) the key has to be given.

Nothing on a host can show that the whole host was set back to an older state. What was kept
elsewhere can: checkpoints (the file 'checkpoint' in the state directory, copied or published
by an [[anchor]]) and receipts (auditlog emit --receipts). Give them with --anchor, in any text
that they stand in. The auditor key proves every single line, and the last ones, which no seal
covers yet.

Examples:
  auditlog verify
  auditlog verify --quick
  auditlog verify --key genesis.pub --anchor usb/checkpoints --auditor-key usb/auditor.key
  auditlog verify ./copy-of-var-log-auditlogd --key 5f0c…e1
  auditlog verify --max-gap 15m

Exit codes:
  0  OK, ANCHORED: everything holds; a checkpoint kept off this host covers it up to seq N
     OK, UNANCHORED: everything holds, and nothing off this host vouches for it
  2  the command line or the configuration is wrong
  3  the file of a key or an anchor cannot be read
  4  TAMPERED: there is evidence of change, and where
  5  INCOMPLETE: a crash or a gap; no sign of tampering, but not the whole log
  6  UNVERIFIABLE: no key, a part cannot be read, or an anchor of something else";

/// Verify that nobody has changed the log
///
/// Only reads, needs no secret, and may run beside the daemon. The verdict is one sentence and the exit code.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Verify {
    /// A copy of a log in place of this host's own
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The genesis public key, 64 hex digits, or a file with it
    #[arg(long, value_name = "HEX|FILE")]
    key: Option<String>,
    /// A file with checkpoints or receipts that were kept off the host; may be repeated
    #[arg(long = "anchor", value_name = "FILE")]
    anchors: Vec<PathBuf>,
    /// A witness whose cosignature of a checkpoint beside the log counts as an anchor; may be repeated
    #[arg(long = "witness", value_name = "VKEY|FILE")]
    witnesses: Vec<String>,
    /// The key of checkpoints, for a log whose beginning was pruned; else leaf 0 names it
    #[arg(long, value_name = "VKEY|FILE")]
    vkey: Option<String>,
    /// The auditor key: a file with 64 hex digits
    #[arg(long, value_name = "FILE")]
    auditor_key: Option<PathBuf>,
    /// Say INCOMPLETE if nothing was written for longer (15m, 2h, 1d); on this host's log also until now
    #[arg(long, value_name = "DURATION")]
    max_gap: Option<String>,
    /// Read only what came since the last verification by this user
    #[arg(long)]
    quick: bool,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Form,
}

/// The report with its verdict as a sentence.
#[derive(Serialize)]
struct Told<'a> {
    verdict: &'static str,
    exit_code: u8,
    sentence: String,
    genesis_key_from: Option<&'static str>,
    database_compared: bool,
    findings: &'a [Finding],
    findings_left_out: u64,
    figures: &'a Figures,
    anchored: &'a Anchored,
    prunes: &'a [Prune],
    since: &'a Option<Since>,
}

/// What the report does not know of how it came about.
struct Circumstances {
    /// The genesis key was not given but found on this host.
    key_from_here: bool,
    /// The key of checkpoints likewise.
    vkey_from_here: bool,
    /// There is a database.
    compared: bool,
    /// `--quick` was asked for, and why the whole log was read all the same.
    whole: Option<&'static str>,
}

impl Verify {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
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
        let mut options = self.options(paths)?;
        let kept = options.genesis.and_then(|genesis| Kept::of(context, &options.paths, &genesis));
        if self.quick {
            options.since = kept.as_ref().and_then(Kept::load);
        }
        let compared = Database { path: &database, fields: fields.as_ref() };
        let bar = bar(Some(0), Duration::ZERO, BAR);
        let report = verify_all(&options, Some(compared), &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        if let (Some(kept), Some(position)) = (&kept, report.position.as_ref())
            && report.verdict != Verdict::Tampered
            && let Err(e) = kept.save(position)
            && self.quick
        {
            // Without --quick nobody has asked for it to be kept.
            note(format!("warning: how far this went could not be kept for --quick: {e}"));
        }
        let whole = match (self.quick, &options.since, &report.since) {
            (false, ..) | (.., Some(_)) => None,
            (true, None, None) => Some("no earlier verification of this log by this user is known"),
            (true, Some(_), None) => Some("what was verified last was pruned since"),
        };
        let circumstances = Circumstances {
            key_from_here: self.dir.is_none() && self.key.is_none() && options.genesis.is_some(),
            vkey_from_here: self.vkey.is_none(),
            compared: database.exists(),
            whole: whole.filter(|_| report.verdict != Verdict::Tampered),
        };
        self.tell(&report, &circumstances, out)?;
        Ok(exit(report.verdict))
    }

    fn options(&self, paths: Paths) -> Result<Options, Error> {
        let mut options = Options::new(paths);
        options.live = self.dir.is_none();
        options.genesis = match (&self.key, options.paths.genesis_pub()) {
            (Some(text), _) => Some(keys::key(text)?),
            // Never one from a copy: whoever made the copy chose it.
            (None, path) if self.dir.is_none() && path.exists() => Some(keys::key_file(&path)?),
            (None, _) => None,
        };
        options.checkpoint_key = match (&self.vkey, options.paths.checkpoint_vkey()) {
            (Some(text), _) => Some(keys::verifier_key(text)?),
            (None, path) if self.dir.is_none() && path.exists() => {
                Some(keys::verifier_key_file(&path)?)
            }
            (None, _) => None,
        };
        options.auditor_key =
            self.auditor_key.as_deref().map(keys::key_file).transpose()?.map(Into::into);
        let witnesses = self.witnesses.iter().map(|text| keys::verifier_key(text));
        options.witnesses = witnesses.collect::<Result<Vec<VerifierKey>, Error>>()?;
        for path in &self.anchors {
            let anchors = read_anchors(path)
                .map_err(|source| Error::Anchor { path: path.clone(), source })?;
            let from = path.display().to_string();
            options
                .anchors
                .extend(anchors.into_iter().map(|anchor| Given { from: from.clone(), anchor }));
        }
        options.max_gap_ns = self.max_gap.as_deref().map(super::time::duration).transpose()?;
        Ok(options)
    }

    fn tell(&self, report: &Report, how: &Circumstances, out: &mut Out) -> Result<(), Error> {
        match self.format {
            Form::Text => {
                let text = text::text(report, how, &out.look);
                out.line(text)?;
            }
            Form::Json => out.json(&Told {
                verdict: report.verdict.as_str(),
                exit_code: report.verdict.exit_code(),
                sentence: sentence::sentence(report),
                genesis_key_from: match (how.key_from_here, self.key.is_some()) {
                    (true, _) => Some("this_host"),
                    (false, true) => Some("given"),
                    (false, false) => None,
                },
                database_compared: how.compared,
                findings: &report.findings,
                findings_left_out: report.findings_left_out,
                figures: &report.figures,
                anchored: &report.anchored,
                prunes: &report.prunes,
                since: &report.since,
            })?,
        }
        out.flush()
    }
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::OkAnchored | Verdict::OkUnanchored => Exit::Done,
        Verdict::Tampered => Exit::Tampered,
        Verdict::Incomplete => Exit::Incomplete,
        Verdict::Unverifiable => Exit::Unverifiable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_has_the_exit_code_of_the_format() {
        for verdict in [
            Verdict::OkAnchored,
            Verdict::OkUnanchored,
            Verdict::Tampered,
            Verdict::Incomplete,
            Verdict::Unverifiable,
        ] {
            assert_eq!(exit(verdict) as u8, verdict.exit_code());
        }
    }
}
