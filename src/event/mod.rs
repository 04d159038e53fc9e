//! An event as its sender wrote it: checked, and its known members found, without building a tree.
//!
//! [`parse`] reads the text once. A [`FieldMap`] says where the known members are; anything else is
//! skipped. Strings without escapes are borrowed from the text.

mod class;
mod column;
mod definition;
mod keys;
mod map;
mod parse;
mod reject;
mod time;
mod value;
mod walk;

use std::borrow::Cow;

pub use class::Class;
pub use column::Column;
pub use definition::DefinitionError;
pub use map::{FieldMap, FieldMapError, MAX_POINTERS, builtin_pointers};
pub use parse::{MAX_DEPTH, admit, parse};
pub use reject::{Reject, RejectCode};

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
    /// What happened, dotted, 1 to 128 characters.
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
    /// The client's own id, 1 to 128 characters.
    pub event_id: Option<Cow<'a, str>>,
    /// The client's clock, nanoseconds since 1970.
    pub client_ts_ns: Option<i64>,
    /// How many columns stayed `None` though a member for them was there.
    pub mistyped: u32,
    /// Whether the top-level `event_type`, or the one that the map found, starts with `auditlogd.` in
    /// any letter case: [`admit`] refuses such an event from a client.
    pub reserved: bool,
}

impl Event<'_> {
    /// Whether the column has a value.
    pub fn has(&self, column: Column) -> bool {
        match column {
            Column::EventType => self.event_type.is_some(),
            Column::Priority => self.priority.is_some(),
            Column::Source => self.source.is_some(),
            Column::Actor => self.actor.is_some(),
            Column::Action => self.action.is_some(),
            Column::Outcome => self.outcome.is_some(),
            Column::Target => self.target.is_some(),
            Column::ClientIp => self.client_ip.is_some(),
            Column::SessionId => self.session_id.is_some(),
            Column::CorrelationId => self.correlation_id.is_some(),
            Column::Operation => self.operation.is_some(),
            Column::DurationMs => self.duration_ms.is_some(),
            Column::EventId => self.event_id.is_some(),
            Column::Timestamp => self.client_ts_ns.is_some(),
        }
    }
}
