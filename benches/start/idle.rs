//! What an idle daemon takes: memory, and how often it wakes up, with and without connections.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::common;
use crate::log::event;
use crate::run::{Run, counter, socket};

const CONNECTIONS: usize = 4096;
/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(10);
/// After this long nothing is left of connections that came or went.
const SETTLED: Duration = Duration::from_secs(3);
/// After this long an event's epoch is sealed, and its sums are said.
const SEALED: Duration = Duration::from_secs(75);

pub fn measure() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _as_far_as_it_goes = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    let root = common::lab::new_root();
    // More than a user's share of the defaults.
    common::write_config(root.path(), &format!("[quota]\nconnections = {CONNECTIONS}\n"));
    let run = Run::start(root.path());
    println!("\n{:<44}{:>10}{:>10}{:>14}", "idle", "RSS, kB", "heap, kB", "wake-ups, 10 s");
    std::thread::sleep(SEALED);
    show("no connection", &run);
    let mut streams: Vec<_> = (0..100).map(|_| connect(root.path())).collect();
    show("100 connections", &run);
    streams.resize_with(CONNECTIONS, || connect(root.path()));
    show(&format!("{CONNECTIONS} connections"), &run);
    for (nth, stream) in (0..).zip(&mut streams) {
        let line = format!("{}\n", event("idle", nth).1);
        stream.write_all(line.as_bytes()).expect("sent");
    }
    std::thread::sleep(SEALED);
    show("the same, each has sent an event", &run);
    drop(streams);
    show("the same, all closed", &run);
    run.stop();
}

fn connect(root: &Path) -> UnixStream {
    UnixStream::connect(socket(root)).expect("connects")
}

fn show(what: &str, run: &Run) {
    std::thread::sleep(SETTLED);
    let before = switches(run.pid());
    std::thread::sleep(WATCHED);
    let [rss, anon] = ["VmRSS:", "RssAnon:"].map(|name| counter(run.pid(), "status", name));
    println!("{what:<44}{rss:>10}{anon:>10}{:>14}", switches(run.pid()) - before);
}

/// How often its threads have slept.
fn switches(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("read");
    let of = |task: std::fs::DirEntry| {
        let task = task.file_name().into_string().expect("a number");
        counter(pid, &format!("task/{task}/status"), "voluntary_ctxt_switches:")
    };
    tasks.map(|task| of(task.expect("a thread"))).sum()
}
