//! The daemon's own messages: structured to the journal under systemd, plain to stderr elsewhere. What
//! clients send never appears in them.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{Handle, Layer};
use tracing_subscriber::{Registry, fmt};

use crate::config::LogLevel;

/// Where the messages go, and how to change their level.
pub struct Journal {
    level: Handle<LevelFilter, Registry>,
    /// Whether that is journald; else it is standard error.
    pub journald: bool,
}

/// Starts to log; once in a process.
pub fn start(level: LogLevel) -> Journal {
    let (filter, handle) = Layer::new(filter(level));
    let registry = tracing_subscriber::registry().with(filter);
    // systemd sets JOURNAL_STREAM when it has connected stderr to the journal.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let journald = journal.is_some();
    // What libraries say through the crate `log` is left out: the rooms that use them say it once, in
    // their own words.
    let _first_in_this_process = match journal {
        Some(journal) => set_global_default(registry.with(journal)),
        None => {
            let ansi = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            let plain = fmt::layer().with_writer(std::io::stderr).with_ansi(ansi);
            set_global_default(registry.with(plain.with_target(false)))
        }
    };
    Journal { level: handle, journald }
}

impl Journal {
    /// Logs at another level from now on.
    pub fn set_level(&self, level: LogLevel) {
        if let Err(e) = self.level.reload(filter(level)) {
            tracing::warn!("the log level could not be changed: {e}");
        }
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
