//! What the owner of a new log is told, once: on a terminal a sheet with both keys, for keeping; elsewhere
//! one warning without any secret.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use data_encoding::HEXLOWER;

use super::{DaemonError, system};
use crate::fs::Real;
use crate::keysheet::Sheet;
use crate::ledger::auditor::{EXPORT, HostCopy, KeyError, Whereabouts};
use crate::ledger::keys::text;
use crate::ledger::segment;
use crate::ledger::{Host, Paths};
use crate::outside;

/// The hidden option of the process that draws the sheet.
const OPTION: &str = "--announce-keys";

/// Tells the owner of a new log about its keys.
pub fn announce(paths: &Paths) {
    if std::io::stderr().is_terminal() && drawn_by_a_child() {
        return;
    }
    let genesis = genesis_pub(paths).unwrap_or_default();
    match Whereabouts::of(paths) {
        Ok(Whereabouts::OnHost { file, .. }) => tracing::warn!(
            genesis_pub = genesis,
            "a new log was created; note its genesis key somewhere else (`auditlog keys show --genesis` prints it), and take the auditor key {file:?} off this host with `{EXPORT}`: until then whoever becomes root here can forge the log's open end"
        ),
        _ => tracing::warn!(
            genesis_pub = genesis,
            "a new log was created with the auditor key of a credential; note its genesis key somewhere else (`auditlog keys show --genesis` prints it), and remove the credential from this host"
        ),
    }
}

/// The daemon itself never reads the auditor key back: what a library leaves of it in freed memory goes
/// with the process that drew it.
fn drawn_by_a_child() -> bool {
    let mut sheet = Command::new("/proc/self/exe");
    sheet.args(std::env::args_os().skip(1)).arg(OPTION);
    sheet.stdin(Stdio::null()).stdout(Stdio::null());
    match outside::run(move || sheet.status()).and_then(|status| status) {
        Ok(status) => status.success(),
        Err(e) => {
            tracing::warn!("the sheet with the new keys could not be drawn: {e}");
            false
        }
    }
}

/// Draws the sheet on standard error, which must be a terminal: a secret belongs in no journal.
pub fn draw(paths: &Paths, host: &Host) -> Result<(), DaemonError> {
    if !std::io::stderr().is_terminal() {
        let other = std::io::Error::other("standard error is no terminal");
        return Err(system("no sheet was drawn")(other));
    }
    let genesis_pub = genesis_pub(paths).map_err(system("the genesis key cannot be read"))?;
    let segments = segment::list(&paths.log_dir).map_err(system("the log cannot be read"))?;
    let header = segments.first().map(|found| &found.header);
    let key = match HostCopy::open(&Real::default(), paths) {
        Ok(key) => Some(key),
        Err(KeyError::Away(_)) => None,
        Err(e) => return Err(system("no sheet was drawn")(std::io::Error::other(e))),
    };
    let sheet = Sheet {
        log_id: header.map_or("", |header| &header.log_id),
        host: &host.name,
        created: header.map_or("", |header| &header.opened),
        genesis_pub: &genesis_pub,
        auditor_key: key.as_ref().map(HostCopy::hex),
        color: std::env::var_os("NO_COLOR").is_none(),
    };
    let drawn = std::io::stderr().write_all(sheet.draw().as_bytes());
    drawn.map_err(system("the sheet could not be written"))
}

fn genesis_pub(paths: &Paths) -> std::io::Result<String> {
    let text = text::read(File::open(paths.genesis_pub())?)?;
    Ok(text::parse(&text).map(|key| HEXLOWER.encode(&*key)).unwrap_or_default())
}
