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
