//! `cargo bench --bench fairness [-- RUNS]`: how long a polite client waits for its acks, alone and beside another
//! process that sends as fast as it can, as the same user and as another one. The polite client sends an event each
//! 2 ms, line by line. Each round measures it alone and beside each flood, one after the other; the ratios are of one
//! round, and the median of the rounds is told. Then how fast 1 and 16 connections are that send 64 KiB a write. Run as
//! root; other users' floods are left out for anybody else. Quotas are off: with them the flood would soon be slow.

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Client, Daemon, eventually};

const NO_QUOTA: &str = "[quota]\nevents_per_second = 0\nbytes_per_second = 0\n";
/// Events of the polite client in a run, unless it takes longer than this.
const EVENTS: u64 = 1000;
const LONGEST: Duration = Duration::from_secs(6);
const EVERY: Duration = Duration::from_millis(2);
/// The user nobody.
const OTHER: u32 = 65534;
/// Bytes of a flood's write.
const WRITE: usize = 64 << 10;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    if let [_, what, socket, connections] = &args[..]
        && what == "flood"
    {
        return flood(Path::new(socket), connections.parse().expect("a number"));
    }
    let runs = args.iter().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(5);
    println!("load: {}", load());
    acks(runs);
    speed(runs);
    println!("load: {}", load());
}

/// Acks of the polite client, beside each flood in turns.
fn acks(runs: usize) {
    let mut floods = vec![
        ("alone", None),
        ("1 connection, same user", Some((1, None))),
        ("16 connections, same user", Some((16, None))),
    ];
    if nix::unistd::getuid().is_root() {
        floods.push(("1 connection, other user", Some((1, Some(OTHER)))));
        floods.push(("16 connections, other user", Some((16, Some(OTHER)))));
    }
    let mut found = vec![Vec::new(); floods.len()];
    for _ in 0..runs {
        for ((_, flood), found) in floods.iter().zip(&mut found) {
            // Each begins on an empty log: the index is as far behind as this flood alone makes it.
            let daemon = Daemon::start_with(NO_QUOTA);
            let flood = flood.map(|(connections, uid)| Flood::start(&daemon, connections, uid));
            found.push(polite(&daemon));
            drop(flood);
        }
    }
    println!(
        "{:<34}{:>10}{:>10}{:>16}",
        "acks of a polite client, ms", "p50", "p99", "beside/alone"
    );
    for ((name, _), beside) in floods.iter().zip(&found) {
        let [p50, p99] = [0, 1].map(|at| median(beside.iter().map(|run| run[at])));
        let rounds = || beside.iter().zip(&found[0]);
        let [r50, r99] = [0, 1].map(|at| median(rounds().map(|(run, alone)| run[at] / alone[at])));
        println!("{name:<34}{p50:>10.2}{p99:>10.2}{r50:>8.1}{r99:>8.1}");
    }
}

/// Thousand lines a second.
fn speed(runs: usize) {
    for connections in [1, 16] {
        let run = |_| {
            let daemon = Daemon::start_with(NO_QUOTA);
            let lines = 200_000 / connections as u64;
            let block = line().repeat(WRITE / line().len());
            let each = (block.len() / line().len()) as u64;
            let clients: Vec<_> = (0..connections).map(|_| daemon.greeted()).collect();
            let start = Instant::now();
            std::thread::scope(|scope| {
                for mut client in clients {
                    let block = &block;
                    scope.spawn(move || {
                        (0..lines / each).for_each(|_| client.send(block));
                        client.replies_to(lines / each * each);
                    });
                }
            });
            (lines / each * each * connections as u64) as f64 / start.elapsed().as_secs_f64() / 1e3
        };
        let name = format!("64 KiB a write, {connections} connections");
        println!("{name:<34}{:>10.1} k lines/s", median((0..runs).map(run)));
    }
}

/// p50 and p99 in milliseconds.
fn polite(daemon: &Daemon) -> [f64; 2] {
    let mut client: Client = daemon.greeted();
    let (mut found, begun) = (Vec::new(), Instant::now());
    let mut due = begun;
    for number in (1..=EVENTS).take_while(|_| begun.elapsed() < LONGEST) {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        client.send(line());
        client.replies_to(number);
        found.push(start.elapsed().as_secs_f64() * 1e3);
        due = (due + EVERY).max(Instant::now());
    }
    [quantile(&mut found, 0.5), quantile(&mut found, 0.99)]
}

/// A process that sends without pause and asks for no acks; killed when dropped.
struct Flood(Child);

impl Flood {
    fn start(daemon: &Daemon, connections: usize, uid: Option<u32>) -> Self {
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(daemon.root(), open).expect("opens the directory");
        let program = std::env::current_exe().expect("this program");
        let mut command = Command::new(program);
        command.arg("flood").arg(daemon.socket()).arg(connections.to_string());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if let Some(uid) = uid {
            command.uid(uid).gid(uid);
        }
        let flood = Self(command.spawn().expect("runs this program again"));
        eventually("the flood has come", || {
            let size = std::fs::metadata(daemon.segment()).expect("there").len();
            (size > 20 << 20).then_some(())
        });
        flood
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("ends");
    }
}

fn flood(socket: &Path, connections: usize) {
    let block = line().repeat(WRITE / line().len());
    std::thread::scope(|scope| {
        for _ in 0..connections {
            let mut stream = UnixStream::connect(socket).expect("connects");
            let block = &block;
            scope.spawn(move || while stream.write_all(block.as_bytes()).is_ok() {});
        }
    });
}

/// An event of 400 bytes.
fn line() -> String {
    let head = "{\"event_type\":\"bench.sent\",\"source\":\"bench\",\"text\":\"";
    format!("{head}{}\"}}\n", "x".repeat(400 - 3 - head.len()))
}

/// How many threads ran or waited for a core, over 1, 5 and 15 minutes.
fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim_end().to_owned()
}

fn median(found: impl Iterator<Item = f64>) -> f64 {
    quantile(&mut found.collect::<Vec<_>>(), 0.5)
}

fn quantile(found: &mut [f64], at: f64) -> f64 {
    found.sort_by(f64::total_cmp);
    found[((found.len() - 1) as f64 * at).round() as usize]
}
