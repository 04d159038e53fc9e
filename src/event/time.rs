//! The client's clock: RFC 3339, or a number since 1970 whose unit shows in its size.

use super::value::{is_number, string};

/// Nanoseconds since 1970 of a `timestamp` member's JSON text. `None` outside the years 1678 to 2261,
/// which 64 bits of nanoseconds hold, and for a date and time without an offset: whose noon is it?
pub(super) fn timestamp(raw: &str) -> Option<i64> {
    if is_number(raw) {
        return epoch(raw);
    }
    let parsed: jiff::Timestamp = string(raw)?.parse().ok()?;
    i64::try_from(parsed.as_nanosecond()).ok()
}

/// Nanoseconds in the unit of an epoch number of that size: below 10^11 seconds (until the year 5138),
/// below 10^14 milliseconds, below 10^17 microseconds, else nanoseconds.
fn unit(whole: u128) -> u128 {
    const UNITS: [(u128, u128); 3] = [
        (100_000_000_000, 1_000_000_000),
        (100_000_000_000_000, 1_000_000),
        (100_000_000_000_000_000, 1_000),
    ];
    UNITS.iter().find(|(bound, _)| whole < *bound).map_or(1, |(_, unit)| *unit)
}

fn epoch(raw: &str) -> Option<i64> {
    let (sign, digits) = raw.strip_prefix('-').map_or((1, raw), |rest| (-1, rest));
    if digits.contains(['e', 'E']) {
        return epoch_with_exponent(sign, digits);
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole: u128 = whole.parse().ok().filter(|n| *n <= i64::MAX as u128)?;
    let fraction = &fraction[..fraction.len().min(18)];
    let part: u128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let unit = unit(whole);
    let ns = whole * unit + part * unit / 10u128.pow(fraction.len() as u32);
    i64::try_from(ns).ok().map(|ns| sign * ns)
}

/// Rare (`1.7e9`, as some printers of floating point write): as exact as a double is.
fn epoch_with_exponent(sign: i64, digits: &str) -> Option<i64> {
    let value: f64 = digits.parse().ok()?;
    let ns = value * unit(value as u128) as f64;
    (ns < i64::MAX as f64).then_some(sign * ns as i64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_3339_with_any_offset_is_understood() {
        for raw in [
            "\"2023-11-14T22:13:20Z\"",
            "\"2023-11-14T22:13:20.000000000Z\"",
            "\"2023-11-14t23:13:20+01:00\"",
            "\"2023-11-14 22:13:20Z\"",
        ] {
            assert_eq!(timestamp(raw), Some(1_700_000_000_000_000_000), "{raw}");
        }
        for raw in
            ["\"2023-11-14T22:13:20\"", "\"9999-01-01T00:00:00Z\"", "\"now\"", "\"\"", "true"]
        {
            assert_eq!(timestamp(raw), None, "{raw}");
        }
    }

    #[test]
    fn digits_beyond_what_counts_do_no_harm() {
        let raw = format!("1700000000.5{}", "0".repeat(200));
        assert_eq!(timestamp(&raw), Some(1_700_000_000_500_000_000));
    }

    #[test]
    fn the_unit_of_an_epoch_number_shows_in_its_size() {
        for (raw, ns) in [
            ("1700000000", 1_700_000_000_000_000_000),
            ("1700000000.123456789", 1_700_000_000_123_456_789),
            ("1700000000123", 1_700_000_000_123_000_000),
            ("1700000000123.5", 1_700_000_000_123_500_000),
            ("1700000000123456", 1_700_000_000_123_456_000),
            ("1700000000123456789", 1_700_000_000_123_456_789),
            ("1700000000.12345678901234567890", 1_700_000_000_123_456_789),
            ("1.7e9", 1_700_000_000_000_000_000),
            ("0", 0),
            ("-1.5", -1_500_000_000),
        ] {
            assert_eq!(timestamp(raw), Some(ns), "{raw}");
        }
        for raw in ["1e999", "99999999999999999999", "-1e300", "99999999999"] {
            assert_eq!(timestamp(raw), None, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn no_number_is_too_much(n: f64, m: i128) {
            if let Ok(raw) = serde_json::to_string(&n) {
                timestamp(&raw);
            }
            timestamp(&m.to_string());
        }
    }
}
