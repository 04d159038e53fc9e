//! Points in time as people type them, and as they read them.

use jiff::civil::{DateTime, Time};
use jiff::{Span, SpanRelativeTo, Timestamp, Zoned};

use super::error::Error;

/// A text that names no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is not a time; use a span back from now (24h, 7d, 1w, 1h30m), today, yesterday, now, a \
     date (2026-11-20), a local time ('2026-11-20 14:30', 14:30), RFC 3339 or @SECONDS"
)]
pub struct BadTime {
    text: String,
}

/// Nanoseconds since 1970 of the time that `text` names, seen from `now` and its time zone. Days and
/// weeks are those of the calendar; a date and `today` mean their first moment.
pub fn parse(text: &str, now: &Zoned) -> Result<i64, BadTime> {
    let trimmed = text.trim();
    word(trimmed, now)
        .or_else(|| absolute(trimmed, now))
        .or_else(|| ago(trimmed, now))
        .and_then(|ts| i64::try_from(ts.as_nanosecond()).ok())
        .ok_or_else(|| BadTime { text: text.to_owned() })
}

fn word(text: &str, now: &Zoned) -> Option<Timestamp> {
    let day = match text.to_ascii_lowercase().as_str() {
        "now" => return Some(now.timestamp()),
        "today" => now.clone(),
        "yesterday" => now.yesterday().ok()?,
        _ => return None,
    };
    day.start_of_day().ok().map(|day| day.timestamp())
}

fn absolute(text: &str, now: &Zoned) -> Option<Timestamp> {
    if let Some(seconds) = text.strip_prefix('@') {
        return Timestamp::from_second(seconds.parse().ok()?).ok();
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp);
    }
    let zone = now.time_zone().clone();
    if let Ok(local) = text.parse::<DateTime>() {
        return local.to_zoned(zone).ok().map(|t| t.timestamp());
    }
    // Without a colon four digits would be read as hours and minutes, which nobody means.
    let time: Time = text.contains(':').then(|| text.parse().ok()).flatten()?;
    now.date().to_datetime(time).to_zoned(zone).ok().map(|t| t.timestamp())
}

fn ago(text: &str, now: &Zoned) -> Option<Timestamp> {
    let span: Span = text.parse().ok()?;
    now.checked_sub(span.abs()).ok().map(|t| t.timestamp())
}

/// The times of `--since` and `--until`, between which some time has to lie.
pub(super) fn span(
    since: Option<&str>,
    until: Option<&str>,
    now: &Zoned,
) -> Result<(Option<i64>, Option<i64>), Error> {
    let time = |text: Option<&str>| text.map(|text| parse(text, now)).transpose();
    let (since_ns, until_ns) =
        (time(since).map_err(Error::Time)?, time(until).map_err(Error::Time)?);
    if let (Some(since), Some(until)) = (since_ns, until_ns)
        && since >= until
    {
        let zone = now.time_zone();
        return Err(Error::Usage(format!(
            "no time lies between --since and --until: {} is not before {}",
            local(since, zone),
            local(until, zone)
        )));
    }
    Ok((since_ns, until_ns))
}

/// Nanoseconds of a positive span that `text` names: `15m`, `1h30m`, `2d`; a day has 24 hours.
pub(super) fn duration(text: &str) -> Result<i64, Error> {
    let span = text.trim().parse::<Span>().ok();
    let duration = span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok());
    let ns = duration.and_then(|duration| i64::try_from(duration.as_nanos()).ok());
    ns.filter(|ns| *ns > 0).ok_or_else(|| {
        Error::Usage(format!("'{text}' is not a duration; use for example 90s, 15m, 1h30m or 2d"))
    })
}

/// A time as it is shown on a terminal: seconds, in the zone of `now`.
pub(super) fn local(ns: i64, zone: &jiff::tz::TimeZone) -> String {
    match Timestamp::from_nanosecond(i128::from(ns)) {
        Ok(ts) => ts.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => ns.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Saturday, a week after the clocks of New York went back.
    const NOW: &str = "2026-11-07T10:00:00-05:00[America/New_York]";

    fn parsed(text: &str) -> Result<String, BadTime> {
        let now: Zoned = NOW.parse().expect("a time with a zone");
        parse(text, &now).map(|ns| Timestamp::from_nanosecond(ns.into()).unwrap().to_string())
    }

    #[test]
    fn a_span_counts_back_from_now() {
        for (text, want) in [
            ("24h", "2026-11-06T15:00:00Z"),
            ("90m", "2026-11-07T13:30:00Z"),
            ("1h30m", "2026-11-07T13:30:00Z"),
            ("1w", "2026-10-31T14:00:00Z"),
            ("7d", "2026-10-31T14:00:00Z"),
            ("2 days ago", "2026-11-05T15:00:00Z"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn words_and_dates_mean_the_first_moment_of_the_local_day() {
        for (text, want) in [
            ("today", "2026-11-07T05:00:00Z"),
            ("Yesterday", "2026-11-06T05:00:00Z"),
            ("2026-10-31", "2026-10-31T04:00:00Z"),
            ("now", "2026-11-07T15:00:00Z"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn a_time_without_an_offset_is_local_and_one_with_an_offset_is_not() {
        for (text, want) in [
            ("2026-11-06 14:30", "2026-11-06T19:30:00Z"),
            ("2026-11-06T14:30:05", "2026-11-06T19:30:05Z"),
            ("09:15", "2026-11-07T14:15:00Z"),
            ("2026-11-06T14:30:00Z", "2026-11-06T14:30:00Z"),
            ("2026-11-06T14:30:00.5+01:00", "2026-11-06T13:30:00.5Z"),
            ("@1795224225", "2026-11-21T01:23:45Z"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn a_duration_is_a_positive_span() {
        for (text, want) in [("90s", 90), ("15m", 900), ("1h30m", 5400), ("2d", 172_800)] {
            assert_eq!(duration(text).ok(), Some(want * 1_000_000_000), "{text}");
        }
        for text in ["", "15", "-15m", "0s", "1 month", "999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_names_no_time_is_refused_with_its_text() {
        for text in ["", "5", "2026", "2026-13-01", "tomorrow", "25:00", "9999999999w", "@x"] {
            let error = parsed(text).expect_err(text);
            assert!(error.to_string().starts_with(&format!("'{text}' is not a time")), "{error}");
        }
    }
}
