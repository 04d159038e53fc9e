//! Other log daemons with the same events from the same load generator, in turns with this one.
//!
//! They write to a file, and none of them acknowledges: what is measured is the time until the file has all of it, and for
//! auditlogd the time until all is acknowledged, and until it is in the database.

mod daemons;

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::common::{LONG, eventually};
use crate::flood;
use crate::load::{Load, Sent};
use crate::process::Process;
use crate::runs::{directory, median, warm};
use crate::table::{Row, Table};
use crate::told::{Generator, now_ns};
use daemons::{ALL, Peer};

const EVENTS: u64 = 200_000;
/// How often it is looked what the file has.
const LOOK: Duration = Duration::from_millis(5);

/// A way to send: connections, and whether a write is 64 KiB or a line.
const WAYS: [(usize, bool); 4] = [(1, true), (16, true), (1, false), (16, false)];

/// What a run has shown.
struct Run {
    rate: f64,
    cpu_us: f64,
    peak_mib: f64,
}

/// Measures those whose packages are unpacked below `packages`.
pub fn measure(packages: &Path, rounds: u64) {
    let mut table = Table::default();
    for (connections, batched) in WAYS {
        let mut own = Vec::new();
        let mut others: Vec<_> = ALL.iter().map(|peer| (peer, Vec::new())).collect();
        for round in 1..=rounds {
            eprintln!("{connections} connections, batched: {batched}, round {round} of {rounds}");
            own.push(flood::run(connections, EVENTS, batched));
            for (peer, runs) in &mut others {
                runs.push(run(peer, packages, connections, batched));
            }
        }
        let middle = |of: fn(&flood::Flood) -> f64| median(own.iter().map(of));
        let acked = middle(|run| run.acked_rate);
        let (cpu, peak) = (middle(|run| run.cpu_us), middle(|run| run.peak_mib));
        let mut rows = vec![
            Row::new("auditlogd, until acknowledged", acked, "events/s").note(costs(cpu, peak)),
            Row::new("auditlogd, until in SQLite", middle(|run| run.visible_rate), "events/s"),
        ];
        rows.extend(others.iter().map(|(peer, runs)| {
            let middle = |of: fn(&Run) -> f64| median(runs.iter().map(of));
            let (cpu, peak) = (middle(|run| run.cpu_us), middle(|run| run.peak_mib));
            Row::new(peer.name, middle(|run| run.rate), "events/s").note(costs(cpu, peak))
        }));
        let writes = if batched { "64 KiB a write" } else { "a line a write" };
        table.section(format!("{connections} connections, {writes}"), rows);
    }
    println!("medians of {rounds} rounds in turns, {EVENTS} events each");
    table.print();
}

fn costs(cpu_us: f64, peak_mib: f64) -> String {
    format!("{cpu_us:5.1} µs CPU/event, {peak_mib:4.0} MiB at most")
}

fn run(peer: &Peer, packages: &Path, connections: usize, batched: bool) -> Run {
    warm(EVENTS);
    let running = Running::start(peer, packages);
    let socket = running.dir.path().join("in");
    let load = Load { socket, connections, events: EVENTS, batched, acks: false };
    let mut generator = Generator::start(&[vec!["load".into()], load.to_args()].concat());
    let process = Process(running.child.id());
    process.reset_peak();
    let cpu = process.cpu().all_us;
    generator.go();
    let mut sink = Sink::new(&running.dir.path().join("out"));
    let (begun, mut sent) = (Instant::now(), None::<Sent>);
    let ended_ns = loop {
        sent = sent.or_else(|| generator.outcome());
        if sink.lines() == EVENTS && sent.is_some() {
            break sink.grew_ns;
        }
        assert!(begun.elapsed() < LONG, "{} has {} of {EVENTS} events", peer.name, sink.lines);
        std::thread::sleep(LOOK);
    };
    let sent = sent.expect("seen above");
    Run {
        rate: EVENTS as f64 * 1e9 / (ended_ns - sent.began_ns) as f64,
        cpu_us: (process.cpu().all_us - cpu) as f64 / EVENTS as f64,
        peak_mib: process.memory()[1] as f64 / 1024.0,
    }
}

/// A peer, killed when dropped.
struct Running {
    dir: TempDir,
    child: Child,
}

impl Running {
    fn start(peer: &Peer, packages: &Path) -> Self {
        let dir = directory();
        let path = dir.path().to_string_lossy().into_owned();
        fs::write(dir.path().join("conf"), peer.config.replace("{dir}", &path)).expect("written");
        let packages = packages.to_string_lossy();
        let fill = |arg: &str| arg.replace("{dir}", &path).replace("{packages}", &packages);
        let mut command = Command::new(fill(peer.program));
        command.args(peer.args.iter().map(|arg| fill(arg)));
        command.env("LD_LIBRARY_PATH", fill(daemons::LIBRARIES)).stdin(Stdio::null());
        let said = File::create(dir.path().join("said")).expect("a new file");
        command.stdout(said.try_clone().expect("cloned")).stderr(said);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", fill(peer.program)));
        eventually("the peer takes connections", || {
            if let Some(status) = child.try_wait().expect("waits") {
                let said = fs::read_to_string(dir.path().join("said")).unwrap_or_default();
                panic!("{} ended with {status}: {said}", peer.name);
            }
            UnixStream::connect(dir.path().join("in")).ok()
        });
        Self { dir, child }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The file that a peer writes, read as it grows.
struct Sink {
    path: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
    lines: u64,
    /// When it last had more.
    grew_ns: u64,
}

impl Sink {
    fn new(path: &Path) -> Self {
        Self { path: path.into(), file: None, buffer: vec![0; 1 << 20], lines: 0, grew_ns: 0 }
    }

    /// Lines that it has by now.
    fn lines(&mut self) -> u64 {
        self.file = self.file.take().or_else(|| File::open(&self.path).ok());
        let Some(file) = &mut self.file else { return 0 };
        loop {
            match file.read(&mut self.buffer).expect("it can be read") {
                0 => return self.lines,
                read => {
                    self.lines += memchr::memchr_iter(b'\n', &self.buffer[..read]).count() as u64;
                    self.grew_ns = now_ns();
                }
            }
        }
    }
}
