//! `auditlog keys show`: the public keys, and where the secret one is. Never the secret one.

use std::fs::File;
use std::path::Path;

use clap::Args;
use data_encoding::HEXLOWER;
use serde::Serialize;

use crate::cli::error::{Error, Exit};
use crate::cli::output::{Form, Look, Out};
use crate::cli::text::visible;
use crate::keysheet::qr_lines;
use crate::ledger::Paths;
use crate::ledger::auditor::Whereabouts;
use crate::ledger::keys::text;
use crate::ledger::segment;

const HELP: &str = "\
The genesis key is what `auditlog verify --key` needs. Read it when the host is provisioned, and
keep it in the inventory: taken from the host later it proves nothing.

Examples:
  auditlog keys show
  auditlog keys show --genesis          only the key, for configuration management
  auditlog keys show --qr               with QR codes of the public keys
  auditlog keys show --format json | jq -r .auditor_key.state

Exit codes:
  0  shown
  2  the command line or the configuration is wrong
  3  there is no log here, or its keys cannot be read";

/// Show the public keys, and whether the auditor key is still on this host
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(in crate::cli) struct Show {
    /// Print only the genesis public key, 64 hex digits
    #[arg(long, conflicts_with_all = ["checkpoint", "qr", "format"])]
    genesis: bool,
    /// Print only the verifier key of checkpoints (C2SP signed-note)
    #[arg(long, conflicts_with_all = ["qr", "format"])]
    checkpoint: bool,
    /// Add QR codes of the public keys
    #[arg(long, conflicts_with = "format")]
    qr: bool,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Form,
}

/// Everything that is shown.
#[derive(Serialize)]
struct Report {
    /// 32 hex digits.
    log_id: String,
    host: String,
    /// When the oldest segment that is here was opened.
    opened: String,
    /// 64 hex digits.
    genesis_pub: String,
    /// A C2SP verifier key.
    checkpoint_vkey: String,
    auditor_key: Whereabouts,
}

impl Show {
    pub(super) fn run(&self, paths: &Paths, out: &mut Out) -> Result<Exit, Error> {
        if self.genesis {
            out.line(genesis(paths)?)?;
        } else if self.checkpoint {
            out.line(checkpoint(paths)?)?;
        } else {
            let report = Report::gather(paths)?;
            match self.format {
                Form::Json => out.json(&report)?,
                Form::Text => out.line(report.text(self.qr, &out.look))?,
            }
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}

impl Report {
    fn gather(paths: &Paths) -> Result<Self, Error> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| Error::Directory { path, source }
        };
        let segments = segment::list(&paths.log_dir).map_err(unreadable(&paths.log_dir))?;
        let first = segments.into_iter().next();
        let header = first.ok_or_else(|| Error::NoLog { path: paths.log_dir.clone() })?.header;
        Ok(Self {
            log_id: header.log_id,
            host: header.host,
            opened: header.opened,
            genesis_pub: genesis(paths)?,
            checkpoint_vkey: checkpoint(paths)?,
            auditor_key: Whereabouts::of(paths).map_err(unreadable(&paths.state_dir))?,
        })
    }

    fn text(&self, qr: bool, look: &Look) -> String {
        let mut lines = Vec::new();
        let mut line = |name: &str, value: &str, code: bool| {
            let name = look.paint(anstyle::Style::new().bold(), format_args!("{name:<14}"));
            lines.push(format!("{name}  {}", visible(value)));
            if code {
                lines.extend(qr_lines(value, look.color).iter().map(|line| line.to_string()));
            }
        };
        line("log", &self.log_id, false);
        line("host", &self.host, false);
        line("genesis key", &self.genesis_pub, qr);
        line("checkpoint key", &self.checkpoint_vkey, qr);
        line("auditor key", &self.auditor_key.to_string(), false);
        lines.join("\n")
    }
}

fn genesis(paths: &Paths) -> Result<String, Error> {
    let path = paths.genesis_pub();
    let key = text::parse(&key_text(&path)?);
    let key = key.ok_or_else(|| garbled(&path, "it does not hold 64 hex digits"))?;
    Ok(HEXLOWER.encode(&*key))
}

fn checkpoint(paths: &Paths) -> Result<String, Error> {
    let path = paths.checkpoint_vkey();
    let text = key_text(&path)?;
    match text.trim() {
        "" => Err(garbled(&path, "it is empty")),
        key => Ok(key.to_owned()),
    }
}

fn key_text(path: &Path) -> Result<String, Error> {
    let text = File::open(path).and_then(text::read);
    text.map(|text| text.to_string()).map_err(|source| Error::KeyFile { path: path.into(), source })
}

fn garbled(path: &Path, why: &str) -> Error {
    Error::KeyFile { path: path.into(), source: std::io::Error::other(why) }
}
