//! Time, passed in: the wall clock for what people read, the boot clock for how long things took.

use std::io;
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

/// The id of the boot that the kernel is in (proc(5)): CLOCK_BOOTTIME compares only within one.
pub fn boot_id() -> io::Result<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(id.trim().to_owned())
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
    let text: &[u8; 30] = text.as_bytes().try_into().ok()?;
    const MARKS: [(usize, u8); 7] =
        [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (29, b'Z')];
    if MARKS.iter().any(|(at, mark)| text[*at] != *mark) {
        return None;
    }
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0i32, |n, digit| {
            digit.is_ascii_digit().then(|| n * 10 + i32::from(digit - b'0'))
        })
    };
    let small = |from: usize| number(from, from + 2).map(|n| n as i8);
    let (year, month, day) = (number(0, 4)? as i16, small(5)?, small(8)?);
    let (hour, minute, second) = (small(11)?, small(14)?, small(17)?);
    let civil =
        jiff::civil::DateTime::new(year, month, day, hour, minute, second, number(20, 29)?).ok()?;
    let timestamp = jiff::tz::Offset::UTC.to_timestamp(civil).ok()?;
    i64::try_from(timestamp.as_nanosecond()).ok()
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
        for text in [
            "2026-11-21T01:23:45Z",
            "2026-11-21T02:23:45.123456789+01:00",
            "2026-11-21t01:23:45.123456789Z",
            "2026-02-29T01:23:45.123456789Z",
            "2026-11-21T01:23:60.123456789Z",
            "2026-11-21T24:00:00.000000000Z",
            "+026-11-21T01:23:45.123456789Z",
            "9999-11-21T01:23:45.123456789Z",
            "",
            "x",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_time_reads_back(ns: i64) {
            proptest::prop_assert_eq!(parse_rfc3339(&rfc3339(ns)), Some(ns));
        }
    }
}
