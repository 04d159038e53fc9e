//! Why a line is refused (socket-protocol, "What is wrong with a line").

/// The protocol's code for what is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectCode {
    /// Longer than `max_event_bytes`.
    TooLong,
    /// Not UTF-8.
    InvalidUtf8,
    /// Not JSON, or nested deeper than [`super::MAX_DEPTH`].
    InvalidJson,
    /// JSON, but no object.
    NotAnObject,
    /// A key stands twice at the top level.
    DuplicateKey,
    /// A required member is missing or has a wrong type.
    MissingField,
    /// An `event_type` that only the daemon may use.
    ReservedType,
    /// The connection was closed in the middle of the line.
    Truncated,
    /// Nothing is wrong with it, but the disk has no room for events of its priority.
    DiskFull,
}

impl RejectCode {
    /// The code as it stands in records and replies.
    pub fn as_str(self) -> &'static str {
        match self {
            RejectCode::TooLong => "too_long",
            RejectCode::InvalidUtf8 => "invalid_utf8",
            RejectCode::InvalidJson => "invalid_json",
            RejectCode::NotAnObject => "not_an_object",
            RejectCode::DuplicateKey => "duplicate_key",
            RejectCode::MissingField => "missing_field",
            RejectCode::ReservedType => "reserved_type",
            RejectCode::Truncated => "truncated",
            RejectCode::DiskFull => "disk_full",
        }
    }
}

/// A refused line: the code for programs, the sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Reject {
    /// What is wrong.
    pub code: RejectCode,
    /// The same in a sentence; one line, a few hundred bytes at most.
    pub message: String,
}

impl Reject {
    pub(super) fn new(code: RejectCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
