//! A conservation oracle with real processes: clients record what was acknowledged, everything happens to the daemon
//! meanwhile, and then all of that is there with its exact bytes, nothing else is, and a fresh event passes.
//!
//! `AUDITLOGD_ORACLE_SECONDS` and `AUDITLOGD_SOAK_SECONDS` say for how long, `AUDITLOGD_SEED` repeats a run's choices,
//! `AUDITLOGD_SOAK_RATE` how many events a second a soak sends, `AUDITLOGD_SOAK_TABLE` names a file for its samples.

#[path = "../common/mod.rs"]
mod common;

mod check;
mod event;
mod faults;
mod host;
mod knobs;
mod producers;
mod samples;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::Client;
use fastrand::Rng;
use host::Host;
use producers::Producers;
use samples::{Sample, Thirds};

/// Set in the process that has a mount namespace of its own.
const INSIDE: &str = "ORACLE_INSIDE";

use common::chance::{given, seed};

#[test]
fn what_was_acknowledged_is_stored_whatever_happens() {
    if std::env::var_os(INSIDE).is_some() {
        return under_faults(true);
    }
    let name = "what_was_acknowledged_is_stored_whatever_happens";
    match own_mounts() {
        Some(mut command) => {
            let test = std::env::current_exe().expect("a path");
            let command = command.arg(test).args(["--exact", "--nocapture", name]).env(INSIDE, "1");
            let output = command.output().expect("runs");
            print!("{}", String::from_utf8_lossy(&output.stdout));
            eprint!("{}", String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success(), "{}", output.status);
        }
        None => {
            eprintln!("no full disk: neither root nor a user namespace can mount one here");
            under_faults(false);
        }
    }
}

/// What runs a program with mounts of its own, which end with it; none if the host does not allow that.
fn own_mounts() -> Option<Command> {
    let ways: [&[&str]; 2] = [&["--mount"], &["--mount", "--user", "--map-root-user"]];
    let unshare = |way: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(way).args(["--propagation", "private"]);
        command
    };
    let works = |way: &&&[&str]| {
        let mut command = unshare(way);
        command.args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    ways.iter().find(works).map(|way| unshare(way))
}

fn under_faults(has_small_disk: bool) {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let seconds = given("AUDITLOGD_ORACLE_SECONDS").unwrap_or(20);
    let root = tempfile::tempdir().expect("temporary directory");
    if has_small_disk {
        let var = root.path().join("var");
        std::fs::create_dir(&var).expect("creates");
        // Twice the room of what is sent.
        let size = format!("size={}m", 128 + 2 * seconds);
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&var);
        assert!(mount.status().expect("mount runs").success());
    }
    let mut host = Host::start(root.path(), "[maintenance]\nmin_free_bytes = 0\n");
    let producers = Producers::start(&host.socket(), seed, 4, 500, true);
    producers.more(100);
    let mut struck = std::collections::BTreeMap::new();
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end || struck.is_empty() {
        let mut faults = faults::ALL;
        rng.shuffle(&mut faults);
        for fault in faults {
            if fault.strike(&mut host, has_small_disk, &mut rng) {
                *struck.entry(fault).or_insert(0) += 1;
            }
            producers.more(rng.u64(1..200));
        }
    }
    let sent = producers.finish();
    let connections: u64 = sent.iter().map(|sent| sent.connections).sum();
    let starts = host.starts;
    let stored = finish(host, root.path(), seed, &sent);
    println!("faults {struck:?}, {starts} starts of the daemon, {connections} connections");
    println!("{stored}");
}

/// Sends the fresh event, stops the daemon and looks at what is stored.
fn finish(mut host: Host, root: &Path, seed: u64, sent: &[producers::Sent]) -> check::Stored {
    host.revive();
    let stream = std::os::unix::net::UnixStream::connect(host.socket()).expect("connects");
    let mut client = Client::new(stream);
    client.send("{\"auditlog\":{\"ack\":true}}\n");
    client.reply().expect("a greeting");
    client.store(&event::text(seed, check::FRESH), 1);
    host.settle();
    assert!(host.stop().success());
    check::conserved(root, seed, sent)
}

/// Rotations, reloads and pauses, and nothing else: what the daemon takes of the host levels off.
#[test]
fn memory_and_descriptors_level_off() {
    let seed = seed();
    let mut rng = Rng::with_seed(seed);
    let seconds = given("AUDITLOGD_SOAK_SECONDS").unwrap_or(12);
    let root = tempfile::tempdir().expect("temporary directory");
    // Small caches, so that they are full before the first third begins, also where the database lags behind.
    let config = "[ledger]\nrotate_bytes = 8388608\nepoch_seconds = 5\n\
                  [index]\ncache_bytes = 4194304\nqueue_bytes = 1048576\n\
                  [maintenance]\nmin_free_bytes = 0\ninterval_seconds = 60\n";
    let mut host = Host::start(root.path(), config);
    let rate = given("AUDITLOGD_SOAK_RATE").unwrap_or(500);
    let producers = Producers::start(&host.socket(), seed, 4, rate, false);
    let mut samples = Vec::new();
    let start = Instant::now();
    while samples.len() < seconds as usize {
        // Not each second: in between it is to come to rest.
        if samples.len() % 5 == 4 {
            let fault = faults::GENTLE[rng.usize(..faults::GENTLE.len())];
            fault.strike(&mut host, false, &mut rng);
        }
        let due = start + Duration::from_secs(samples.len() as u64 + 1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        samples.push(Sample::of(host.pid()));
    }
    let rate = producers.acknowledged() / start.elapsed().as_secs();
    if let Some(path) = std::env::var_os("AUDITLOGD_SOAK_TABLE") {
        std::fs::write(path, samples::table(&samples)).expect("writes");
    }
    assert_eq!(host.starts, 1, "the daemon did not end");
    let sent = producers.finish();
    let stored = finish(host, root.path(), seed, &sent);
    let thirds = Thirds::of(&samples);
    println!("{rate} events a second for {seconds} s; {thirds}");
    println!("{stored}");
    // In the first minutes the caches come to their size.
    thirds.assert_flat(if seconds < 600 { 64 << 10 } else { 2 << 10 });
}
