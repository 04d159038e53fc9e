//! `auditlog verify`: whether the log is what its daemon wrote.

mod against;
mod kept;
mod sentence;
mod text;

use clap::Args;
use serde::Serialize;

use super::context::Context;
use super::error::{Error, Exit, told};
use super::output::{Form, Out, note};
use crate::ledger::Decommissioned;
use crate::ledger::verify::{Anchored, Figures, Finding, Hole, Options, Report, Since, Verdict};
pub(super) use against::{Against, Target};
use kept::Kept;
pub(super) use sentence::sentence;
pub(super) use text::{NO_SEALS, database};

const HELP: &str = "\
Without DIR it checks the log of this host and the database against it, and takes the genesis
key that the daemon left in its state directory. Whoever could change the log could change that
one too: keep the key elsewhere, and give it. For a copy of a log in DIR the key has to be
given. Of a log that is growing copy seals.jsonl from the state directory first, perhaps
audit.db, and then the files of the log directory.

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
    #[command(flatten)]
    against: Against,
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
    seals_file: bool,
    database_compared: bool,
    database_end: Option<u64>,
    findings: &'a [Finding],
    findings_left_out: u64,
    figures: &'a Figures,
    anchored: &'a Anchored,
    unread: &'a [String],
    holes: &'a [Hole],
    since: &'a Option<Since>,
    decommissioned: &'a Option<Decommissioned>,
}

/// What the report does not know of how it came about.
struct Circumstances {
    /// The genesis key was not given but found on this host.
    key_from_here: bool,
    /// The key of checkpoints likewise.
    vkey_from_here: bool,
    /// There is a database.
    database: bool,
    /// There is a copy of all seals.
    seals: bool,
    /// `--quick` was asked for, and why the whole log was read all the same.
    whole: Option<&'static str>,
    /// The log has come to its end on its host. Told by a file beside it; the proof is the log's own record.
    decommissioned: Option<Decommissioned>,
}

impl Verify {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let mut target = self.against.target(context)?;
        let Options { genesis, paths, .. } = &target.options;
        let kept = genesis.and_then(|genesis| Kept::of(context, paths, &genesis));
        if self.quick {
            target.options.since = kept.as_ref().and_then(Kept::load);
        }
        let report = target.verify();
        if let (Some(kept), Some(position)) = (&kept, report.position.as_ref())
            && report.verdict != Verdict::Tampered
            && let Err(e) = kept.save(position)
            && self.quick
        {
            // Without --quick nobody has asked for it to be kept.
            note(format!("warning: how far this went could not be kept for --quick: {e}"));
        }
        let whole = match (self.quick, &target.options.since, &report.since) {
            (false, ..) | (.., Some(_)) => None,
            (true, None, None) => Some("no earlier verification of this log by this user is known"),
            (true, Some(_), None) => Some("what was verified last was pruned since"),
        };
        let circumstances = Circumstances {
            key_from_here: target.key_from_here,
            vkey_from_here: self.against.vkey.is_none(),
            database: target.database.is_file(),
            seals: target.seals,
            decommissioned: Decommissioned::of(&target.options.paths).ok().flatten(),
            whole: whole.filter(|_| report.verdict != Verdict::Tampered),
        };
        told(self.tell(&report, &circumstances, out), exit(report.verdict))
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
                sentence: sentence(report),
                genesis_key_from: match (how.key_from_here, self.against.key.is_some()) {
                    (true, _) => Some("this_host"),
                    (false, true) => Some("given"),
                    (false, false) => None,
                },
                seals_file: how.seals,
                database_compared: report.database_end.is_some(),
                database_end: report.database_end,
                findings: &report.findings,
                findings_left_out: report.findings_left_out,
                figures: &report.figures,
                anchored: &report.anchored,
                unread: &report.unread,
                holes: &report.holes,
                since: &report.since,
                decommissioned: &how.decommissioned,
            })?,
        }
        out.flush()
    }
}

/// How the tool ends with this verdict.
pub(super) fn exit(verdict: Verdict) -> Exit {
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
