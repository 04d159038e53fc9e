//! How maintenance is, for people.

use indicatif::BinaryBytes;

use super::super::output::Look;
use crate::metrics::{ArchiveStatus, Forecast, MaintenanceStatus};
use crate::words::count;

const DAY: u64 = 86_400;
/// Reasons that are shown.
const SHOWN: usize = 5;
/// Nobody plans for longer.
const LONG: u64 = 365 * DAY;

/// The lines about maintenance. What goes without saying is left out.
pub(super) fn lines(status: &MaintenanceStatus, look: &Look, line: &mut dyn FnMut(&str, String)) {
    if let Some(free) = status.free_bytes {
        line("disk", disk(free, status));
    }
    match (&status.doing, &status.next) {
        (Some(doing), _) => line("next run", format!("now: {doing}")),
        (None, Some(next)) => line("next run", look.time_of(next)),
        (None, None) => {}
    }
    let history = &status.history;
    if let (Some(began), Some(last)) = (&history.began, &history.last) {
        line("last run", format!("{}: {}", look.time_of(began), last));
        for reason in last.kept_back.iter().take(SHOWN) {
            line("kept back", reason.clone());
        }
        if last.kept_back.len() > SHOWN {
            line("kept back", "more: `auditlog maintain --dry-run` lists all".into());
        }
    }
    for archive in &status.archives {
        line("archive", of_archive(archive, look));
    }
    for failing in &history.failing {
        let since = look.time_of(&failing.since);
        line("failing", format!("to {} since {since}: {}", failing.task, failing.error));
    }
    if let Some(seconds) = status.behind_seconds {
        line("clock", clock(seconds));
    }
}

fn of_archive(archive: &ArchiveStatus, look: &Look) -> String {
    let mut text = match archive.waiting {
        0 => format!("{}: has every closed segment", archive.archive),
        n => format!("{}: lacks {}", archive.archive, count(n, "closed segment")),
    };
    if let Some(taken) = &archive.taken {
        text.push_str(&format!(", the last one taken {}", look.time_of(taken)));
    }
    if let Some(error) = &archive.error {
        let since = look.time_of(archive.failing_since.as_deref().unwrap_or_default());
        text.push_str(&format!("; failing since {since}: {error}"));
    }
    text
}

fn disk(free: u64, status: &MaintenanceStatus) -> String {
    let mut text = match free {
        0 => "full".to_owned(),
        _ => format!("{} free", BinaryBytes(free)),
    };
    if free < status.min_free_bytes {
        text.push_str(&format!(
            ", less than min_free_bytes ({})",
            BinaryBytes(status.min_free_bytes)
        ));
    }
    if let Some(forecast) = status.forecast.as_ref().filter(|_| free > 0) {
        text.push_str("; ");
        text.push_str(&until_full(forecast));
    }
    text
}

fn until_full(forecast: &Forecast) -> String {
    match *forecast {
        Forecast::NotKnown { .. } => "how long it lasts is not known before tomorrow".into(),
        Forecast::NotGrowing => "not growing".into(),
        Forecast::FullIn { seconds, bytes_a_day, own_bytes_a_day } => {
            let rate = BinaryBytes(bytes_a_day);
            let mut text = match seconds {
                0 => format!("full ({rate} a day)"),
                LONG.. => format!("not full within a year at today's rate ({rate} a day)"),
                _ => format!("full in {} at today's rate ({rate} a day)", span(seconds)),
            };
            if own_bytes_a_day < bytes_a_day / 2 {
                text.push_str(", most of it not the log's");
            }
            text
        }
    }
}

/// A clock that ran ahead, or a host that was off.
fn clock(behind: u64) -> String {
    format!(
        "retention goes by a time that is {} behind the wall clock, which may have jumped ahead, and catches up in {}",
        span(behind),
        span(behind / 3)
    )
}

/// In days, if it is more than two; nobody plans in weeks.
fn span(seconds: u64) -> String {
    match seconds {
        0..7_200 => count(seconds / 60, "minute"),
        7_200..172_800 => count(seconds / 3_600, "hour"),
        _ => count(seconds / DAY, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn full_in(seconds: u64, own: u64) -> String {
        until_full(&Forecast::FullIn { seconds, bytes_a_day: GIB, own_bytes_a_day: own })
    }

    #[test]
    fn a_forecast_says_how_long_at_which_rate() {
        assert_eq!(full_in(12 * DAY, GIB), "full in 12 days at today's rate (1.00 GiB a day)");
        assert_eq!(full_in(7_200, GIB), "full in 2 hours at today's rate (1.00 GiB a day)");
        assert_eq!(full_in(0, GIB), "full (1.00 GiB a day)");
        let text =
            "not full within a year at today's rate (1.00 GiB a day), most of it not the log's";
        assert_eq!(full_in(400 * DAY, 0), text);
        let text = "how long it lasts is not known before tomorrow";
        assert_eq!(until_full(&Forecast::NotKnown { in_seconds: 5 }), text);
    }

    #[test]
    fn too_little_space_is_said() {
        let status = MaintenanceStatus { min_free_bytes: GIB, ..MaintenanceStatus::default() };
        assert_eq!(disk(GIB / 2, &status), "512.00 MiB free, less than min_free_bytes (1.00 GiB)");
        assert_eq!(disk(2 * GIB, &status), "2.00 GiB free");
        let forecast = Some(Forecast::NotKnown { in_seconds: 5 });
        let status = MaintenanceStatus { forecast, ..status };
        assert_eq!(disk(0, &status), "full, less than min_free_bytes (1.00 GiB)");
    }

    #[test]
    fn a_daemon_that_has_just_started_has_two_lines() {
        let status = MaintenanceStatus {
            next: Some("2026-11-21T01:00:00.000000000Z".into()),
            free_bytes: Some(GIB),
            forecast: Some(Forecast::NotKnown { in_seconds: DAY }),
            ..MaintenanceStatus::default()
        };
        let mut names = Vec::new();
        lines(&status, &Look::plain(), &mut |name, _| names.push(name.to_owned()));
        assert_eq!(names, ["disk", "next run"]);
    }
}
