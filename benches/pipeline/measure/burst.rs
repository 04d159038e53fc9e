//! More than the database takes at once: the ledger does not wait for it, and it catches up.

use std::time::Instant;

use super::{finish, load, now};
use crate::baselines;
use crate::flood::{self, Flood, Moment};
use crate::table::{Row, Table, figure};

/// Connections that send, 64 KiB a write.
const CONNECTIONS: usize = 4;
/// Rows of the table at most.
const ROWS: usize = 12;
const MILLION: u64 = 1_000_000;

pub fn measure(events: u64, table: &mut Table) {
    now(&format!("a burst of {events} events"));
    let run = flood::run(CONNECTIONS, events, true);
    let ended = run.moments.iter().find(|moment| moment.acked == events);
    let behind = ended.map_or(0, behind);
    let last = run.moments.last().map_or(0.0, |moment| moment.seconds);
    let mut rows = vec![
        Row::new("ledger, until the last ack", run.acked_rate, "events/s"),
        Row::new("database behind then", behind as f64, "events"),
        Row::new("database has all, after", last, "s"),
        Row::new("database, all the time", run.visible_rate, "events/s"),
        Row::new("most memory, resident", run.peak_mib, "MiB"),
    ];
    rows.extend(course(&run.moments, last));
    table.section(format!("A burst of {} events", figure(events as f64)), rows);
}

/// How far it was, at even distances of whole seconds.
fn course(moments: &[Moment], last: f64) -> Vec<Row> {
    let step = (last / ROWS as f64).ceil().max(1.0) as usize;
    let at = |second: usize| moments.iter().rfind(|moment| moment.seconds <= second as f64);
    let row = |second: usize| {
        let moment = at(second)?;
        let note = format!("visible {}", figure(moment.visible as f64));
        let behind = behind(moment) as f64;
        Some(Row::new(format!("after {second} s: behind"), behind, "events").note(note))
    };
    (step..).step_by(step).take_while(|second| (*second as f64) < last).filter_map(row).collect()
}

fn behind(moment: &Moment) -> u64 {
    moment.acked.saturating_sub(moment.visible)
}

/// Many events at once: the rate of each million.
pub fn sustained(millions: u64) {
    let (begun, load_before) = (Instant::now(), load());
    let events = millions * MILLION;
    now(&format!("(b) with {events} rows"));
    let index = baselines::index(events);
    now(&format!("{events} events"));
    let run = flood::run(CONNECTIONS, events, true);
    let rates = each_million(&run, millions);
    let mut table = Table::default();
    let mut rows = vec![
        Row::new("(b) insert rows: one thread", index, "events/s"),
        Row::new("until acknowledged", run.acked_rate, "events/s"),
        Row::new("until visible", run.visible_rate, "events/s")
            .beside('b', index)
            .ratio_at_least(0.8)
            .at_least(150_000.0),
    ];
    let first = rates[0];
    rows.extend((1..).zip(&rates).map(|(nth, rate)| {
        let note = format!("{:.2} x the first", rate / first);
        Row::new(format!("  million {nth}, visible"), *rate, "events/s").note(note)
    }));
    rows.push(Row::new("daemon, all threads", run.cpu_us, "µs/event"));
    rows.push(Row::new("most memory, resident", run.peak_mib, "MiB").at_most(64.0));
    table.section(format!("{millions} million events"), rows);
    finish(&mut table, "sustained", "pipeline-sustained.json", (begun, load_before));
}

/// The rate of each million, by when the database had it.
fn each_million(run: &Flood, millions: u64) -> Vec<f64> {
    let when = |million: u64| {
        let reached = run.moments.iter().find(|moment| moment.visible >= million * MILLION);
        reached.expect("all of them were visible")
    };
    (0..millions)
        .map(|million| {
            let (from, to) = (when(million), when(million + 1));
            (to.visible - from.visible) as f64 / (to.seconds - from.seconds)
        })
        .collect()
}
