//! An event as its sender wrote it: checked, and its known members found, without building a tree.

use std::borrow::Cow;

/// Whether what was attempted succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did.
    Success,
    /// It did not.
    Failure,
    /// The sender says it does not know.
    Unknown,
}

/// The known members of an event (socket-protocol, "Events"); absent or mistyped ones are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event<'a> {
    /// What happened, dotted, at most 128 characters.
    pub event_type: Option<Cow<'a, str>>,
    /// Syslog severity, 0 (emergency) to 7 (debug).
    pub priority: Option<u8>,
    /// The app that reports it.
    pub source: Option<Cow<'a, str>>,
    /// Who did it.
    pub actor: Option<Cow<'a, str>>,
    /// What was done, for people.
    pub action: Option<Cow<'a, str>>,
    /// Whether it succeeded.
    pub outcome: Option<Outcome>,
    /// What it was done to.
    pub target: Option<Cow<'a, str>>,
    /// Where from.
    pub client_ip: Option<Cow<'a, str>>,
    /// The session it belongs to.
    pub session_id: Option<Cow<'a, str>>,
    /// The request or trace it belongs to.
    pub correlation_id: Option<Cow<'a, str>>,
    /// The operation that was timed.
    pub operation: Option<Cow<'a, str>>,
    /// How long it took, milliseconds, at least 0.
    pub duration_ms: Option<f64>,
    /// The client's own id, at most 128 characters.
    pub event_id: Option<Cow<'a, str>>,
    /// The client's clock, nanoseconds since 1970.
    pub client_ts_ns: Option<i64>,
    /// How many known members had a wrong type.
    pub mistyped: u32,
}
