//! `SYSTEMD_TESTS=1 cargo test --test systemd -- report [ROUNDS]`: what the service costs and what restarts cost
//! it, measured on the packages in a container, as one table.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::container::Container;
use crate::image;
use crate::oracle::{self, Outcome};
use crate::packages::{self, Revision};
use crate::service::UNIT;
use crate::traffic::{CLIENTS, EVENTS_PER_SECOND, Traffic};

const COMMAND: &str = "report";
const ROUNDS: usize = 50;
/// A daemon is idle when nothing was sent for so long: the first run of maintenance is over, its epoch closed.
const SETTLE: Duration = Duration::from_secs(200);
/// So long wake-ups are counted.
const IDLE: Duration = Duration::from_secs(60);

/// The rounds that the command line asks for, if it asks for a report.
pub fn wanted() -> Option<usize> {
    let mut words = std::env::args().skip(1);
    (words.next()? == COMMAND).then(|| words.next().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS))
}

/// Measures and prints.
pub fn main(rounds: usize) {
    let container = Container::boot(&image::directory());
    container.install(Revision::First);
    row("", "value");
    sizes(&container);
    idle(&container);
    println!(
        "{rounds} rounds each, {EVENTS_PER_SECOND} events/s from {CLIENTS} clients that never read"
    );
    disturbed(&container, "restarted", rounds, |container| {
        container.run(&format!("systemctl restart {UNIT}"));
    });
    disturbed(&container, "killed", rounds, |container| {
        let daemon = container.daemon();
        container.run(&format!("kill -KILL {daemon}"));
        container.wait_for_successor(&daemon);
    });
}

fn row(what: &str, value: &str) {
    println!("{what:<52} {value:>24}");
}

fn sizes(container: &Container) {
    let exposure = container.run(&format!("systemd-analyze security --no-pager {UNIT} | tail -1"));
    row("exposure", exposure.rsplit(": ").next().unwrap_or_default().trim());
    for package in [packages::deb(Revision::First), packages::rpm(Revision::First)] {
        let name = package.extension().unwrap_or_default().to_string_lossy().into_owned();
        let bytes = package.metadata().expect("reads").len();
        row(&format!(".{name}"), &format!("{:.1} MiB", bytes as f64 / 1_048_576.0));
    }
    let installed = container.run("dpkg-query --show --showformat='${Installed-Size}' auditlogd");
    row("installed", &format!("{} KiB", installed.trim()));
}

fn idle(container: &Container) {
    container.emit("alice", "before-the-idle-time");
    std::thread::sleep(SETTLE);
    let daemon = container.daemon();
    let memory = container.run(&format!("grep ^VmRSS: /proc/{daemon}/status"));
    row("idle: resident memory", memory.trim_start_matches("VmRSS:").trim());
    let switches = || -> u64 {
        let text = container
            .run(&format!("grep -h ^voluntary_ctxt_switches /proc/{daemon}/task/*/status"));
        text.lines().filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).sum()
    };
    let before = switches();
    std::thread::sleep(IDLE);
    let count = switches() - before;
    row(&format!("idle: wake-ups of all threads in {} s", IDLE.as_secs()), &count.to_string());
}

/// Disturbs the daemon under load; what it lost, and how long it took to the first event of a client on disk.
fn disturbed(container: &Container, what: &str, rounds: usize, disturb: fn(&Container)) {
    let traffic = Traffic::start(container, what);
    let mut begun = Vec::new();
    for _ in 0..rounds {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        begun.push(now.as_nanos() as i128);
        disturb(container);
        traffic.flows();
    }
    let Outcome { sent, disconnected, ledger, database } = traffic.finish();
    row(&format!("{what}: events sent"), &sent.to_string());
    row(&format!("{what}: clients disconnected"), &disconnected.len().to_string());
    for (place, tally) in [("ledger", ledger), ("database", database)] {
        row(&format!("{what}: lost, {place}"), &tally.lost.to_string());
        row(&format!("{what}: stored twice, {place}"), &tally.duplicated.to_string());
    }
    let mut millis = first_commits(container, what, &begun);
    millis.sort_by(f64::total_cmp);
    let (Some(most), Some(median)) = (millis.last(), millis.get(millis.len() / 2)) else { return };
    row(
        &format!("{what}: to the first commit of an event"),
        &format!("{median:.0} ms, at most {most:.0}"),
    );
}

/// For each time at which a disturbance began, the milliseconds until a client's event was on disk again.
fn first_commits(container: &Container, name: &str, begun: &[i128]) -> Vec<f64> {
    let prefix = format!("{name}-");
    let mut commits = Vec::new();
    let mut started = None;
    for segment in oracle::in_order(container) {
        for line in segment.lines() {
            if line.contains("\"event\":{\"event_type\":\"auditlogd.started\"") {
                started = oracle::time(line);
            } else if started.is_some()
                && oracle::id(line).is_some_and(|id| id.starts_with(&prefix))
            {
                commits.push(oracle::time(line).expect("a line has a time"));
                started = None;
            }
        }
    }
    let since = |begin: &i128| {
        let first = commits.iter().find(|commit| *commit > begin)?;
        Some((first - begin) as f64 / 1e6)
    };
    begun.iter().filter_map(since).collect()
}
