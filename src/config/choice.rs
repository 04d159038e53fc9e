//! Values that are one of a few words.

/// How closed segments are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// As they were written.
    None,
    /// One zstd frame (RFC 8878).
    Zstd,
    /// One gzip member (RFC 1952).
    Gzip,
}

impl Compression {
    pub(super) const ALL: [Compression; 3] =
        [Compression::None, Compression::Zstd, Compression::Gzip];

    /// Its name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Zstd => "zstd",
            Compression::Gzip => "gzip",
        }
    }
}

/// What becomes of events that the disk has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Their clients wait.
    Block,
    /// They are refused, and counted in a gap record.
    Refuse,
    /// They go to the standard error, and into the log later.
    Stderr,
}

impl Overflow {
    pub(super) const ALL: [Overflow; 3] = [Overflow::Block, Overflow::Refuse, Overflow::Stderr];

    /// Its name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Overflow::Block => "block",
            Overflow::Refuse => "refuse",
            Overflow::Stderr => "stderr",
        }
    }
}

/// How much the daemon says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Only what needs somebody's attention now.
    Error,
    /// And what will.
    Warn,
    /// And what it does.
    Info,
    /// And how.
    Debug,
    /// And every step.
    Trace,
}

impl LogLevel {
    pub(super) const ALL: [LogLevel; 5] =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

    /// The level's name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}
