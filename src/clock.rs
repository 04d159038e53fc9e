//! Time, passed in: the wall clock for what people read, the boot clock for how long things took.

use std::sync::{Arc, Mutex};

use nix::time::{ClockId, clock_gettime};

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// CLOCK_REALTIME, nanoseconds since 1970-01-01T00:00:00Z.
    pub wall_ns: i64,
    /// CLOCK_BOOTTIME, nanoseconds since boot, suspend included; never steps.
    pub boot_ns: u64,
}

/// Where the time comes from.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The kernel's clocks.
    System,
    /// A clock that a test sets.
    Manual(Arc<Mutex<Now>>),
}

impl Clock {
    /// Reads both clocks.
    pub fn now(&self) -> Now {
        match self {
            Clock::System => Now {
                wall_ns: read(ClockId::CLOCK_REALTIME),
                boot_ns: read(ClockId::CLOCK_BOOTTIME) as u64,
            },
            Clock::Manual(now) => *now.lock().unwrap_or_else(|e| e.into_inner()),
        }
    }
}

/// Both clocks exist on every Linux this runs on, so a failure cannot happen; zero is then as
/// good as any value and shows at once in the log.
fn read(id: ClockId) -> i64 {
    clock_gettime(id).map_or(0, |t| t.tv_sec() * 1_000_000_000 + t.tv_nsec())
}

/// RFC 3339 in UTC with nine decimals, `2026-11-21T01:23:45.123456789Z`: the one form of a time in
/// the ledger.
pub fn rfc3339(wall_ns: i64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(wall_ns)) {
        Ok(ts) => format!("{ts:.9}"),
        Err(_) => "1970-01-01T00:00:00.000000000Z".into(),
    }
}

/// Reads what [`rfc3339`] writes, and nothing else.
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let ts: jiff::Timestamp = text.parse().ok()?;
    let ns = i64::try_from(ts.as_nanosecond()).ok()?;
    (rfc3339(ns) == text).then_some(ns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_with_nine_decimals_and_read_back() {
        let text = "2026-11-21T01:23:45.123456789Z";
        let ns = parse_rfc3339(text).expect("parses");
        assert_eq!(ns, 1_795_224_225_123_456_789);
        assert_eq!(rfc3339(ns), text);
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000000000Z");
    }

    #[test]
    fn other_forms_of_the_same_time_are_refused() {
        for text in ["2026-11-21T01:23:45Z", "2026-11-21T02:23:45.123456789+01:00", "", "x"] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}
