//! The names of the known members.

/// A known member of an event, named as in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Column {
    /// `event_type`
    EventType,
    /// `priority`
    Priority,
    /// `source`
    Source,
    /// `actor`
    Actor,
    /// `action`
    Action,
    /// `outcome`
    Outcome,
    /// `target`
    Target,
    /// `client_ip`
    ClientIp,
    /// `session_id`
    SessionId,
    /// `correlation_id`
    CorrelationId,
    /// `operation`
    Operation,
    /// `duration_ms`
    DurationMs,
    /// `event_id`
    EventId,
    /// `timestamp`
    Timestamp,
}

impl Column {
    /// Every column, in the order of the declaration.
    pub const ALL: [Column; 14] = [
        Column::EventType,
        Column::Priority,
        Column::Source,
        Column::Actor,
        Column::Action,
        Column::Outcome,
        Column::Target,
        Column::ClientIp,
        Column::SessionId,
        Column::CorrelationId,
        Column::Operation,
        Column::DurationMs,
        Column::EventId,
        Column::Timestamp,
    ];

    /// The column's name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Column::EventType => "event_type",
            Column::Priority => "priority",
            Column::Source => "source",
            Column::Actor => "actor",
            Column::Action => "action",
            Column::Outcome => "outcome",
            Column::Target => "target",
            Column::ClientIp => "client_ip",
            Column::SessionId => "session_id",
            Column::CorrelationId => "correlation_id",
            Column::Operation => "operation",
            Column::DurationMs => "duration_ms",
            Column::EventId => "event_id",
            Column::Timestamp => "timestamp",
        }
    }

    /// The column of that name.
    pub fn from_name(name: &str) -> Option<Column> {
        Column::ALL.into_iter().find(|column| column.name() == name)
    }

    /// Whether its value may also be an object with `id` or `name`.
    pub(super) fn takes_object(self) -> bool {
        matches!(self, Column::Actor | Column::Target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_found_by_its_name_and_stands_at_its_number() {
        for (i, column) in Column::ALL.into_iter().enumerate() {
            assert_eq!(Column::from_name(column.name()), Some(column));
            assert_eq!(column as usize, i);
        }
        assert_eq!(Column::from_name("actors"), None);
    }
}
