//! Events a second, and what they cost.

use super::{Effort, now};
use crate::baselines;
use crate::flood::{self, Flood};
use crate::runs::median;
use crate::table::{Row, Table};

/// A kind of run: connections, and whether a write is 64 KiB or a line.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Kind {
    connections: usize,
    batched: bool,
}

/// The one that the goals are about.
const GOAL: Kind = Kind { connections: 4, batched: true };

/// The figures of one kind, a run a round.
struct Found {
    kind: Kind,
    runs: Vec<Flood>,
}

pub fn measure(effort: &Effort, table: &mut Table) {
    let kinds = [true, false].into_iter().flat_map(|batched| {
        effort
            .connections
            .iter()
            .map(move |connections| Kind { connections: *connections, batched })
    });
    let mut found: Vec<_> = std::iter::once(GOAL)
        .chain(kinds.filter(|kind| *kind != GOAL))
        .map(|kind| Found { kind, runs: Vec::new() })
        .collect();
    let (mut ledger, mut index) = (Vec::new(), Vec::new());
    for round in 1..=effort.rounds {
        now(&format!("rates, round {round} of {}", effort.rounds));
        ledger.push(baselines::ledger(effort.goal_events));
        index.push(baselines::index(effort.goal_events));
        for Found { kind, runs } in &mut found {
            let events = if *kind == GOAL { effort.goal_events } else { effort.events };
            runs.push(flood::run(kind.connections, events, kind.batched));
        }
    }
    let (ledger, index) = (median(ledger), median(index));
    let each = |of: fn(&Found, f64) -> Row, baseline: f64| {
        found.iter().map(|found| of(found, baseline)).collect::<Vec<_>>()
    };
    let mut rows = vec![Row::new("(a) mac, leaf, write, sync: one thread", ledger, "events/s")];
    rows.extend(each(acked, ledger));
    table.section("Until acknowledged, which means on disk", rows);
    let mut rows = vec![Row::new("(b) insert rows: one thread", index, "events/s")];
    rows.extend(each(visible, index));
    table.section("Until visible in the database", rows);
    table.section("What it costs", costs(&found[0]));
}

impl Found {
    fn median(&self, of: fn(&Flood) -> f64) -> f64 {
        median(self.runs.iter().map(of))
    }

    fn name(&self) -> String {
        let Kind { connections, batched } = self.kind;
        let writes = if batched { "64 KiB a write" } else { "a line a write" };
        let plural = if connections == 1 { "" } else { "s" };
        let events = self.runs[0].sent.events / 1_000;
        format!("{connections} connection{plural}, {writes}, {events} k events")
    }
}

fn acked(found: &Found, baseline: f64) -> Row {
    let row = Row::new(found.name(), found.median(|run| run.acked_rate), "events/s");
    let row = row.beside('a', baseline);
    match found.kind {
        GOAL => row.ratio_at_least(0.7).at_least(300_000.0),
        _ => row,
    }
}

fn visible(found: &Found, baseline: f64) -> Row {
    let row = Row::new(found.name(), found.median(|run| run.visible_rate), "events/s");
    let row = row.beside('b', baseline);
    match found.kind {
        GOAL => row.ratio_at_least(0.8).at_least(150_000.0),
        _ => row,
    }
}

/// Of the runs that the goals are about.
fn costs(found: &Found) -> Vec<Row> {
    let mut rows = vec![
        Row::new("daemon, all threads", found.median(|run| run.cpu_us), "µs/event")
            .note("processor time until visible"),
    ];
    let first = &found.runs[0];
    for name in first.by_thread.keys() {
        let spent = found.runs.iter().map(|run| run.by_thread.get(name).copied().unwrap_or(0.0));
        let spent = median(spent);
        if spent >= 0.01 {
            rows.push(Row::new(format!("  its thread `{name}`"), spent, "µs/event"));
        }
    }
    let bytes = first.sent.bytes as f64 / first.sent.events as f64;
    rows.extend([
        Row::new("load generator", found.median(|run| run.load_cpu_us), "µs/event"),
        Row::new("an event as it is sent, with its LF", bytes, "bytes"),
        Row::new("events of a commit", found.median(|run| run.events_per_commit), "events"),
        Row::new("ledger", found.median(|run| run.ledger_bytes), "bytes/event"),
        Row::new("database", found.median(|run| run.database_bytes), "bytes/event"),
        Row::new("most memory, resident", found.median(|run| run.peak_mib), "MiB").at_most(64.0),
    ]);
    rows
}
