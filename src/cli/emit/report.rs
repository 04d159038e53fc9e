//! What became of the events, said to whoever sent them.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::super::error::{Error, Exit};
use super::super::text::visible;
use super::exchange::{End, Exchange};
use crate::client::Away;
use crate::words::count;

/// The sums. As JSON it is what `--format json` prints.
#[derive(Serialize)]
pub(super) struct Report {
    accepted: u64,
    rejected: u64,
    last_seq: Option<u64>,
    mac: Option<String>,
    log_id: Option<String>,
    /// Events in the spool; absent without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    spooled: Option<u64>,
    /// The input's first line that was not answered and is not in the spool; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    resend_from: Option<u64>,
    #[serde(skip)]
    spool: Option<PathBuf>,
    /// There is one event, and it is no line of anything.
    #[serde(skip)]
    single: bool,
}

impl Report {
    pub(super) fn new(exchange: &Exchange<'_>, end: &io::Result<End>, single: bool) -> Self {
        let (session, sums) = (exchange.session(), exchange.session().sums());
        let receipt = sums.receipt.clone();
        let done = matches!(end, Ok(End::Done | End::Spooled));
        Self {
            accepted: sums.accepted,
            rejected: exchange.rejected(),
            last_seq: receipt.as_ref().map(|receipt| receipt.seq),
            mac: receipt.map(|receipt| receipt.mac),
            log_id: sums.log_id.clone(),
            spooled: session.spool().map(|spool| spool.events()),
            resend_from: (!done).then(|| exchange.resend_from()),
            spool: session.spool().map(|spool| spool.path().into()),
            single,
        }
    }

    /// Whether every event was answered or is in the spool.
    pub(super) fn is_success(&self) -> bool {
        self.resend_from.is_none()
    }

    /// Where all went well.
    pub(super) fn sentence(&self) -> String {
        let Self { accepted, rejected, .. } = self;
        let told = match (self.last_seq, rejected) {
            (Some(seq), 0) if *accepted == 1 => format!("stored as seq {seq}"),
            (Some(seq), _) => format!("{accepted} accepted, {rejected} rejected, last seq {seq}"),
            (None, _) => format!("{accepted} accepted, {rejected} rejected"),
        };
        match self.spooled() {
            Some(spooled) if *accepted == 0 && *rejected == 0 => spooled,
            Some(spooled) => format!("{told}; {spooled}"),
            None => told,
        }
    }

    /// What the spool holds, if it holds anything.
    fn spooled(&self) -> Option<String> {
        let events = count(self.spooled.filter(|events| *events > 0)?, "event");
        let path = self.spool.as_ref()?.display();
        Some(format!("{events} kept in '{path}', which the next `auditlog emit --spool` sends"))
    }

    /// What the command ends with.
    pub(super) fn verdict(
        &self,
        end: io::Result<End>,
        away: Option<&Away>,
        path: &Path,
    ) -> Result<Exit, Error> {
        let what = match (end, away) {
            (Ok(End::Done | End::Spooled), _) if self.rejected > 0 => return Ok(Exit::Nothing),
            (Ok(End::Done | End::Spooled), _) => return Ok(Exit::Done),
            (Ok(End::NotSpooled(error)), _) => error.to_string(),
            (Ok(End::Stopped), _) => "interrupted".into(),
            (Err(source), _) => format!("cannot read standard input: {source}"),
            (Ok(End::Lost), Some(Away::Unreachable(source))) if self.is_untouched() => {
                // The kind and the words are those of the system's error, which cannot be copied.
                let source = source.raw_os_error().map(io::Error::from_raw_os_error);
                let source = source.unwrap_or_else(|| io::ErrorKind::NotFound.into());
                return Err(Error::Unreachable { path: path.into(), source });
            }
            (Ok(End::Lost), Some(Away::NotAuditlogd)) => {
                let path = path.display();
                return Err(Error::Emit(format!(
                    "what listens at '{path}' does not answer as auditlogd does; check `socket` in the configuration"
                )));
            }
            (Ok(End::Lost), away) => {
                away.map_or_else(String::new, |away| visible(&away.to_string()).into_owned())
            }
        };
        Err(Error::Emit(match (self.single, self.spooled()) {
            (true, None) => {
                format!("{what} before it acknowledged the event; send it again")
            }
            (_, None) => format!("{what}; {}", self.so_far("")),
            (_, Some(spooled)) => format!("{what}; {}", self.so_far(&format!("{spooled}; "))),
        }))
    }

    /// Nothing was answered: it is as if nothing had been sent.
    fn is_untouched(&self) -> bool {
        self.log_id.is_none() && self.accepted + self.rejected == 0
    }

    /// The events are on disk, but what was asked for is not there.
    pub(super) fn not_kept(&self, error: &Error) -> Error {
        let Self { accepted, rejected, .. } = self;
        let from = self.resend_from.unwrap_or_default();
        Error::Emit(format!(
            "{error}; {accepted} events are acknowledged all the same and {rejected} rejected: send on from input line {from}",
        ))
    }

    fn so_far(&self, spooled: &str) -> String {
        let Self { accepted, rejected, .. } = self;
        let from = self.resend_from.unwrap_or_default();
        format!(
            "{accepted} events are acknowledged and {rejected} rejected: {spooled}send again from input line {from}"
        )
    }
}
