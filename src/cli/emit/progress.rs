//! What is said on standard error while events are sent: rejections, and a bar when it takes long.

use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::super::progress::bar;
use super::super::text::visible;
use super::exchange::Waits;
use crate::client::Rejected;

/// Rejections that are named one by one; the others are only counted.
const NAMED: u64 = 20;
const FILE: &str = "{bar:30} {percent}% of {total_bytes}, {eta} left, {msg}";
const STREAM: &str = "{spinner} {bytes} read, {msg}";
/// Shorter runs have no bar.
const PATIENCE: Duration = Duration::from_millis(500);
/// After so long without an answer it is said who knows why.
const SILENCE: Duration = Duration::from_secs(5);

/// The state of what is shown.
pub(super) struct Progress {
    bar: Bar,
    rejected: u64,
    single: bool,
    /// Events that were acknowledged, and since when no other was; none once that was told.
    standstill: Option<(u64, Instant)>,
}

enum Bar {
    Never,
    After { start: Instant, total: Option<u64> },
    Shown(ProgressBar),
}

impl Progress {
    /// With a bar for `input`, if that takes long; `single`: there is one event only, and no line of it.
    pub(super) fn new(input: Option<BorrowedFd<'_>>, single: bool) -> Self {
        let shown = input.filter(|_| std::io::stderr().is_terminal());
        let bar = shown.map_or(Bar::Never, |input| {
            let file = input.try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
            let total = file.ok().filter(|meta| meta.is_file()).map(|meta| meta.len());
            Bar::After { start: Instant::now(), total }
        });
        Self { bar, rejected: 0, single, standstill: Some((0, Instant::now())) }
    }

    /// Names a rejection, if not too many were named before.
    pub(super) fn rejected(&mut self, rejected: &Rejected) {
        self.rejected += 1;
        let Rejected { number, code, message, .. } = rejected;
        let what = match number {
            None => "an event of the spool ".into(),
            Some(_) if self.single => String::new(),
            Some(line) => format!("line {line} "),
        };
        if self.rejected <= NAMED {
            self.say(&format!("{what}rejected ({}): {}", visible(code), visible(message)));
        }
    }

    /// More was read or answered.
    pub(super) fn tick(&mut self, bytes_read: u64, accepted: u64) {
        if let Bar::After { start, total } = self.bar
            && start.elapsed() >= PATIENCE
        {
            let template = if total.is_some() { FILE } else { STREAM };
            self.bar = Bar::Shown(bar(total, start.elapsed(), template));
        }
        if let Bar::Shown(bar) = &self.bar {
            bar.set_position(bytes_read);
            bar.set_message(format!("{accepted} on disk"));
        }
    }

    /// Says once, of a daemon that answers nothing for long while it has events, or that is away, where to look.
    pub(super) fn patience(&mut self, accepted: u64, waits: Waits) {
        let Some((before, since)) = &mut self.standstill else { return };
        if waits == Waits::Nothing || *before != accepted {
            (*before, *since) = (accepted, Instant::now());
        } else if since.elapsed() >= SILENCE {
            self.standstill = None;
            let what = match waits {
                Waits::Daemon => "no daemon has answered",
                _ => "the daemon has stored nothing of this",
            };
            let seconds = SILENCE.as_secs();
            self.say(&format!(
                "{what} for {seconds} seconds, and it is waited for; `auditlog status` says why"
            ));
        }
    }

    /// Clears the bar and says how many rejections were not named.
    pub(super) fn finish(&mut self) {
        if let Bar::Shown(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if let Some(more @ 1..) = self.rejected.checked_sub(NAMED) {
            self.say(&format!(
                "{more} more lines were rejected; the log has them as auditlogd.rejected"
            ));
        }
    }

    /// Says something beside the bar.
    pub(super) fn say(&self, text: &str) {
        // Where standard error is gone nobody wants to know.
        let write = || {
            _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{text}\n").as_bytes())
        };
        match &self.bar {
            Bar::Shown(bar) => bar.suspend(write),
            _ => write(),
        }
    }
}
