//! What a query asks for, and the SQL that answers it. Values are only ever bound.

use rusqlite::types::Value;

use super::row::{outcome_text, sql_int};
use super::schema::BLOCK_SHIFT;
use super::{IndexError, postings};
use crate::event::Outcome;

/// Which events are wanted; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Written at or after this time, nanoseconds since 1970.
    pub since_ns: Option<i64>,
    /// Written before this time, nanoseconds since 1970.
    pub until_ns: Option<i64>,
    /// The type, or what it starts with if this ends in `*` or in a dot: `auth.*`.
    pub event_type: Option<String>,
    /// Who acted.
    pub actor: Option<String>,
    /// The app that reported it.
    pub source: Option<String>,
    /// Whether it succeeded.
    pub outcome: Option<Outcome>,
    /// At least this severe: a syslog severity, 0 being the most severe.
    pub min_priority: Option<u8>,
    /// The sender's user.
    pub uid: Option<u32>,
    /// The sender's systemd unit.
    pub unit: Option<String>,
    /// The id that the client gave.
    pub client_id: Option<String>,
    /// The session it belongs to.
    pub session_id: Option<String>,
    /// The request or trace it belongs to.
    pub correlation_id: Option<String>,
    /// Stands anywhere in the event's JSON text; ASCII letters match in either case.
    pub text: Option<String>,
    /// After this sequence number.
    pub after_seq: Option<u64>,
    /// Before this sequence number.
    pub before_seq: Option<u64>,
}

/// In which order the events come: the ledger's, from either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Highest sequence number first.
    Newest,
    /// Lowest sequence number first.
    Oldest,
}

/// The longest text to search for: SQLite takes patterns of 50,000 bytes, and each may need escaping.
const MAX_TEXT: usize = 16 << 10;

/// A statement with the values to bind.
pub(super) struct Query {
    pub sql: String,
    pub values: Vec<Value>,
}

impl Query {
    fn new() -> Self {
        Self { sql: String::new(), values: Vec::new() }
    }

    /// Adds a condition; each `?` in it stands for `value`.
    fn and(&mut self, condition: &str, value: impl Into<Value>) {
        self.values.push(value.into());
        let parameter = format!("?{}", self.values.len());
        self.sql.push_str(" AND ");
        self.sql.push_str(&condition.replace('?', &parameter));
    }
}

impl Filter {
    /// The events in the given order, at most `limit`.
    pub(super) fn select(
        &self,
        columns: &str,
        order: Order,
        limit: i64,
    ) -> Result<Query, IndexError> {
        let mut query = self.matching(columns)?;
        let direction = match order {
            Order::Newest => "DESC",
            Order::Oldest => "ASC",
        };
        query.sql += &format!(" ORDER BY b.block {direction}, e.seq {direction} LIMIT {limit}");
        Ok(query)
    }

    /// How many there are.
    pub(super) fn count(&self) -> Result<Query, IndexError> {
        self.matching("count(*)")
    }

    /// Goes through the blocks of 8,192 sequence numbers that can hold what is wanted, and in each
    /// through the postings of the value that narrows most, or an index. Without such a one it reads the block.
    fn matching(&self, columns: &str) -> Result<Query, IndexError> {
        if let Some(bytes) = self.text.as_ref().map(String::len).filter(|n| *n > MAX_TEXT) {
            return Err(IndexError::TextTooLong { bytes, most: MAX_TEXT });
        }
        let mut query = Query::new();
        let field = self.posted_field();
        query.sql = format!("SELECT {columns} FROM blocks b CROSS JOIN ");
        query.sql += &match field {
            Some(field) => format!(
                "postings p ON p.block = b.block AND p.field = {} CROSS JOIN json_each(p.places) j \
                 CROSS JOIN event_rows e NOT INDEXED ON e.seq = (b.block << {BLOCK_SHIFT}) + j.value",
                postings::number(field)
            ),
            None => {
                let index = match self.outcome {
                    Some(Outcome::Failure) => "INDEXED BY events_failure",
                    _ if self.is_severe() => "INDEXED BY events_severe",
                    _ => "NOT INDEXED",
                };
                format!(
                    "event_rows e {index} \
                     ON e.seq BETWEEN b.block << {BLOCK_SHIFT} AND (b.block + 1 << {BLOCK_SHIFT}) - 1"
                )
            }
        };
        query.sql += " WHERE e.seq >= 0";
        self.push_bounds(&mut query);
        self.push_values(&mut query, field);
        Ok(query)
    }

    /// The field with postings of which the most selective value is wanted.
    fn posted_field(&self) -> Option<&'static str> {
        let by = [
            (self.client_id.is_some(), "client_id"),
            (self.correlation_id.is_some(), "correlation_id"),
            (self.session_id.is_some(), "session_id"),
            (self.actor.is_some(), "actor"),
            (self.event_type.is_some(), "event_type"),
            (self.source.is_some(), "source"),
        ];
        by.into_iter().find(|(wanted, _)| *wanted).map(|(_, field)| field)
    }

    /// Whether the index of the severe events has all that are wanted.
    fn is_severe(&self) -> bool {
        self.min_priority.is_some_and(|priority| priority <= 3)
    }

    fn push_bounds(&self, query: &mut Query) {
        if let Some(since) = self.since_ns {
            query.and("b.last_ts_ns >= ? AND e.ts_ns >= ?", since);
        }
        if let Some(until) = self.until_ns {
            query.and("b.first_ts_ns < ? AND e.ts_ns < ?", until);
        }
        if let Some(after) = self.after_seq {
            query.and(&format!("b.block >= ? >> {BLOCK_SHIFT} AND e.seq > ?"), sql_int(after));
        }
        if let Some(before) = self.before_seq {
            query.and(&format!("b.block <= ? >> {BLOCK_SHIFT} AND e.seq < ?"), sql_int(before));
        }
    }

    /// What the columns have to be, and the value of the postings of `posted`.
    fn push_values(&self, query: &mut Query, posted: Option<&str>) {
        let equal = [
            ("client_id", &self.client_id),
            ("correlation_id", &self.correlation_id),
            ("session_id", &self.session_id),
            ("actor", &self.actor),
            ("source", &self.source),
            ("unit", &self.unit),
        ];
        for (column, value) in equal {
            if let Some(value) = value {
                let posting = if posted == Some(column) { " AND p.value = ?" } else { "" };
                query.and(&format!("e.{column} = ?{posting}"), value.clone());
            }
        }
        let either = |condition: &str| match posted {
            Some("event_type") => format!("e.event_type {condition} AND p.value {condition}"),
            _ => format!("e.event_type {condition}"),
        };
        match &self.event_type {
            Some(text) if text.ends_with(['*', '.']) => {
                let prefix = text.trim_end_matches('*');
                query.and(&either(">= ?"), prefix.to_owned());
                if let Some(end) = after_all_that_begin_with(prefix) {
                    query.and(&either("< ?"), end);
                }
            }
            Some(text) => query.and(&either("= ?"), text.clone()),
            None => {}
        }
        match self.outcome {
            // Spelled out, because only then SQLite sees that the partial index applies.
            Some(Outcome::Failure) => query.sql += " AND e.outcome = 'failure'",
            Some(outcome) => query.and("e.outcome = ?", outcome_text(outcome).to_owned()),
            None => {}
        }
        if let Some(priority) = self.min_priority {
            query.and("e.priority <= ?", i64::from(priority));
            if self.is_severe() {
                query.sql += " AND e.priority <= 3";
            }
        }
        if let Some(uid) = self.uid {
            query.and("e.uid = ?", i64::from(uid));
        }
        if let Some(text) = &self.text {
            query.and(r"e.event LIKE '%' || ? || '%' ESCAPE '\'", escape_like(text));
        }
    }
}

/// The first text in SQLite's order (that of code points) after all that begin with `prefix`; none if all texts
/// after it do.
fn after_all_that_begin_with(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

/// The text with LIKE's own characters made ordinary.
fn escape_like(text: &str) -> String {
    text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}
