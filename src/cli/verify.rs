//! `auditlog verify`: whether the log is what its daemon wrote.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use data_encoding::HEXLOWER_PERMISSIVE;
use indicatif::BinaryBytes;
use serde::Serialize;

use super::context::Context;
use super::error::{Error, Exit};
use super::output::{Form, Look, Out};
use super::progress::bar;
use super::text::{count, visible};
use crate::clock::rfc3339;
use crate::engine::{Database, verify_all};
use crate::ledger::Paths;
use crate::ledger::verify::{Figures, Finding, Options, Report, Verdict};

const BAR: &str = "{bar:30} {percent}% of {total_bytes}, {bytes_per_sec}, {eta} left";

const HELP: &str = "\
Without DIR it checks the log of this host and the database against it, and takes the genesis key that
the daemon left in its state directory. Whoever could change the log could change that one too: keep
the key elsewhere, and give it. For a copy of a log in DIR (its segments, seals.jsonl, perhaps audit.db)
the key has to be given. The auditor key also proves every single line, and the last ones, which no seal
covers yet.

Examples:
  auditlog verify
  auditlog verify --key 5f0c…e1 --auditor-key /media/usb/auditor.key
  auditlog verify ./copy-of-var-log-auditlogd --key genesis.pub

Exit codes:
  0  OK: everything holds; the sentence says how much of it something off this host vouches for
  2  the command line or the configuration is wrong
  3  a key's file cannot be read
  4  TAMPERED: there is evidence of change, and where
  5  INCOMPLETE: a crash or an explained gap; no sign of tampering, but not the whole log
  6  UNVERIFIABLE: it could not be checked: no key, or a part cannot be read";

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
    /// The auditor key: a file with 64 hex digits
    #[arg(long, value_name = "FILE")]
    auditor_key: Option<PathBuf>,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Form,
}

/// The report with its verdict as a sentence.
#[derive(Serialize)]
struct Told<'a> {
    verdict: &'static str,
    sentence: String,
    findings: &'a [Finding],
    figures: &'a Figures,
}

impl Verify {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let (paths, path, fields) = match &self.dir {
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
        let database = Database { path: &path, fields: fields.as_ref() };
        let genesis = self.genesis(&paths)?;
        let auditor_key = self.auditor_key.as_deref().map(key_file).transpose()?;
        let auditor_key = auditor_key.map(Into::into);
        let options = Options { genesis, auditor_key, ..Options::new(paths) };
        let bar = bar(Some(0), Duration::ZERO, BAR);
        let report = verify_all(&options, Some(database), &mut |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        let compared = path.exists();
        self.tell(&report, compared, out)?;
        Ok(exit(report.verdict))
    }

    /// The pinned key: as given, or what this host's daemon left. Never one from a copy.
    fn genesis(&self, paths: &Paths) -> Result<Option<[u8; 32]>, Error> {
        match (&self.key, &self.dir) {
            (Some(text), _) => match parse_key(text) {
                Some(key) => Ok(Some(key)),
                None if !Path::new(text).exists() => {
                    Err(Error::Usage(format!("'{text}' is neither 64 hex digits nor a file")))
                }
                None => key_file(Path::new(text)).map(Some),
            },
            (None, None) if paths.genesis_pub().exists() => {
                key_file(&paths.genesis_pub()).map(Some)
            }
            (None, _) => Ok(None),
        }
    }

    fn tell(&self, report: &Report, compared: bool, out: &mut Out) -> Result<(), Error> {
        match self.format {
            Form::Text => {
                let from_here = self.key.is_none() && self.dir.is_none();
                let text = text(report, from_here, compared, &out.look);
                out.line(text)?;
            }
            Form::Json => out.json(&Told {
                verdict: report.verdict.as_str(),
                sentence: sentence(report),
                findings: &report.findings,
                figures: &report.figures,
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

fn parse_key(text: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok()?.try_into().ok()
}

fn key_file(path: &Path) -> Result<[u8; 32], Error> {
    let unreadable = |source| Error::KeyFile { path: path.into(), source };
    let text = std::fs::read(path).map_err(unreadable)?;
    let key = std::str::from_utf8(&text).ok().and_then(parse_key);
    key.ok_or_else(|| {
        Error::Usage(format!("'{}' is no key: it should hold 64 hex digits", path.display()))
    })
}

/// The verdict in one sentence, with the first reason for it.
fn sentence(report: &Report) -> String {
    let Figures { next_seq, last_ts_ns, first_ts_ns, .. } = &report.figures;
    let verdict = report.verdict.as_str();
    if report.verdict.is_ok() {
        let since = first_ts_ns.map(rfc3339).unwrap_or_default();
        let until = last_ts_ns.map(rfc3339).unwrap_or_default();
        return format!(
            "{verdict} since {since}: everything holds up to seq {} of {until}, and nothing off this host vouches for it",
            next_seq.saturating_sub(1)
        );
    }
    let reason = report.findings.iter().find(|finding| finding.verdict == report.verdict);
    match reason {
        Some(finding) => format!("{verdict}: {}", told(finding)),
        None => verdict.into(),
    }
}

/// A finding with its place.
fn told(finding: &Finding) -> String {
    let message = &finding.message;
    match &finding.place {
        Some(place) => format!(
            "{message} ({} line {}, seq {}, byte {})",
            place.file.display(),
            place.line,
            place.seq,
            place.offset
        ),
        None => message.clone(),
    }
}

/// The report for people; `key_from_here`: the genesis key was not given but found on this
/// host; `compared`: there is a database.
fn text(report: &Report, key_from_here: bool, compared: bool, look: &Look) -> String {
    use anstyle::{AnsiColor, Style};
    let color = match report.verdict {
        Verdict::OkAnchored | Verdict::OkUnanchored => AnsiColor::Green,
        Verdict::Tampered => AnsiColor::Red,
        Verdict::Incomplete | Verdict::Unverifiable => AnsiColor::Yellow,
    };
    let style = Style::new().bold().fg_color(Some(color.into()));
    let mut lines = vec![look.paint(style, visible(&sentence(report))), String::new()];
    let figures = &report.figures;
    let mut line = |name: &str, value: String| {
        lines.push(format!("{name:<10}  {}", visible(&value)));
    };
    line("log", figures.log_id.clone());
    line(
        "read",
        format!(
            "{}, {}, {}, seq {} to {}",
            count(figures.segments, "segment"),
            BinaryBytes(figures.bytes),
            count(figures.events, "event"),
            figures.first_seq,
            figures.next_seq.saturating_sub(1)
        ),
    );
    let macs = match figures.macs {
        0 => "no macs (they need the auditor key)".into(),
        macs => count(macs, "mac"),
    };
    line("checked", format!("{}, {macs}", count(figures.seals, "seal")));
    if key_from_here {
        let key = "the genesis key found on this host; give the one you noted elsewhere with --key, and a log replaced as a whole is noticed";
        line("key", key.into());
    }
    let database = match (compared, report.verdict) {
        (false, _) => "there is none here, so it was not compared",
        (true, Verdict::Tampered) => "compared, unless the ledger itself was changed",
        (true, _) => "every row compared with the ledger, in both directions",
    };
    line("database", database.into());
    line("open end", format!("{} after the last seal", count(figures.open_lines, "line")));
    let stated = report.findings.iter().position(|finding| finding.verdict == report.verdict);
    let others = report.findings.iter().enumerate().filter(|(i, _)| Some(*i) != stated);
    for (_, finding) in others {
        line("also", format!("{}: {}", finding.verdict.as_str(), told(finding)));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::verify::Place;

    fn report(findings: &[Verdict]) -> Report {
        let figures = Figures {
            next_seq: 10,
            first_ts_ns: Some(0),
            last_ts_ns: Some(1_000_000_000),
            ..Figures::default()
        };
        let mut report = Report { figures, ..Report::default() };
        for (n, verdict) in (1..).zip(findings) {
            let place = Place { file: "a.jsonl".into(), line: n, offset: 5, seq: 7 };
            let message = format!("wrong\u{1b} {n}");
            report.add(Finding { verdict: *verdict, message, place: Some(place) });
        }
        report
    }

    #[test]
    fn the_sentence_states_the_verdict_and_its_first_reason() {
        assert_eq!(
            sentence(&report(&[])),
            "OK, UNANCHORED since 1970-01-01T00:00:00.000000000Z: everything holds up to seq 9 of \
             1970-01-01T00:00:01.000000000Z, and nothing off this host vouches for it"
        );
        let report = report(&[Verdict::Incomplete, Verdict::Tampered, Verdict::Tampered]);
        let want = "TAMPERED: wrong\u{1b} 2 (a.jsonl line 2, seq 7, byte 5)";
        assert_eq!(sentence(&report), want);
        let text = text(&report, false, true, &Look::plain());
        assert_eq!(text.lines().next(), Some(want.replace('\u{1b}', "\\u001b").as_str()));
        assert_eq!(text.lines().filter(|line| line.starts_with("also")).count(), 2);
    }

    #[test]
    fn each_verdict_has_the_exit_code_of_the_format() {
        for verdict in
            [Verdict::OkUnanchored, Verdict::Tampered, Verdict::Incomplete, Verdict::Unverifiable]
        {
            assert_eq!(exit(verdict) as u8, verdict.exit_code());
        }
    }

    #[test]
    fn a_key_is_64_hex_digits_in_either_case() {
        assert_eq!(parse_key(&"aB".repeat(32)), Some([0xab; 32]));
        assert_eq!(parse_key(&"ab".repeat(31)), None);
        assert_eq!(parse_key("genesis.pub"), None);
    }
}
