//! `auditlog attest`: the verification as a page for an auditor.

mod again;
mod compose;
mod counts;
mod files;
mod frameworks;
mod page;
mod scan;
mod vouching;

use std::path::{Path, PathBuf};

use askama::Template;
use clap::Args;
use jiff::Zoned;

use super::context::Context;
use super::error::{Error, Exit, told};
use super::output::Out;
use super::text::visible;
use super::time;
use super::verify::{Against, exit, sentence};
use crate::event::FieldMap;
use crate::ledger::verify::Report;
use compose::Evidence;
use scan::Scan;

const HELP: &str = "\
The page says what was checked and what was not, the verdict, who vouches for which part, what
happened to the log, what is in it, how to check all of it again without this page, and what that
means for PCI DSS, SOC 2, ISO 27001, HIPAA, SOX and MiFID II. It is one file that loads nothing from
anywhere: to print, to send, and to read in ten years. It is written whatever the verdict is.

The whole log is verified; --since and --until say what the page tells of its history and its
events.

Examples:
  auditlog attest --since 2026-10-01 --until 2026-11-01 -o evidence.html
  auditlog attest --since 90d --key genesis.pub --anchor /media/usb/checkpoints -o evidence.html
  auditlog attest ./copy-of-the-log --key genesis.pub -o evidence.html

Exit codes:
  0  OK (the verdicts are those of auditlog verify)
  2  the command line or the configuration is wrong
  3  the file of a key or an anchor cannot be read, or the page cannot be written
  4  TAMPERED
  5  INCOMPLETE
  6  UNVERIFIABLE";

/// Verify the log and write the evidence as a page for an auditor
///
/// Only reads the log, and may run beside the daemon.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Attest {
    #[command(flatten)]
    against: Against,
    /// The first moment of the period: 90d, 2026-10-01, RFC 3339; else the log's beginning
    #[arg(long, short = 'S', value_name = "TIME")]
    since: Option<String>,
    /// The end of the period; else now
    #[arg(long, short = 'U', value_name = "TIME")]
    until: Option<String>,
    /// Where the page goes; `-`: standard output
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

impl Attest {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let now = Zoned::now();
        let at = |text: &Option<String>| {
            text.as_deref().map(|text| time::parse(text, &now)).transpose().map_err(Error::Time)
        };
        let (since, until) = (at(&self.since)?, at(&self.until)?);
        let mut target = self.against.target(context)?;
        target.options.history = true;
        let now_ns = target.options.now_ns;
        let period = since.unwrap_or(i64::MIN)..until.unwrap_or(now_ns.saturating_add(1));
        if period.is_empty() {
            return Err(Error::Usage("the period ends before it begins".into()));
        }
        let report = target.verify();
        let dir = &target.options.paths.log_dir;
        let unreadable = |source| Error::Directory { path: dir.clone(), source };
        let log_id = &report.figures.log_id;
        let files = files::sum(dir, log_id).map_err(unreadable)?;
        // What was not verified is not counted, but where verification could not go on.
        let end = if report.verdict.is_ok() { report.figures.next_seq } else { u64::MAX };
        let builtin = FieldMap::builtin();
        let fields = target.fields.as_ref().unwrap_or(&builtin);
        let leaves = report.figures.first_seq..end;
        let scan = Scan::read(dir, log_id, leaves, period.clone(), fields).map_err(unreadable)?;
        let evidence = Evidence {
            against: &self.against,
            target: &target,
            report: &report,
            files: &files,
            scan: &scan,
            since,
            until: period.end.min(now_ns),
        };
        let page =
            evidence.page().render().map_err(|e| self.unwritten(std::io::Error::other(e)))?;
        if self.output != Path::new("-") {
            std::fs::write(&self.output, &page).map_err(|e| self.unwritten(e))?;
        }
        told(self.tell(&report, &page, out), exit(report.verdict))
    }

    fn tell(&self, report: &Report, page: &str, out: &mut Out) -> Result<(), Error> {
        if self.output == Path::new("-") {
            out.with(|writer, _| writer.write_all(page.as_bytes()))?;
        } else {
            out.line(visible(&sentence(report)))?;
            out.line(format_args!("the page is {}", visible(&self.output.display().to_string())))?;
        }
        out.flush()
    }

    fn unwritten(&self, source: std::io::Error) -> Error {
        Error::File { action: "write the page", path: self.output.clone(), source }
    }
}
