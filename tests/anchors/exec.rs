//! Programs: what they get, and what becomes of slow and broken ones.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::common::{Daemon, eventually};
use super::helpers::*;

/// An anchor that runs a shell script.
fn config(script: &str, timeout: u64) -> String {
    let command = json!(["/bin/sh", "-c", script]);
    format!("[[anchor]]\ntype = \"exec\"\ncommand = {command}\ntimeout_seconds = {timeout}\n")
}

fn is_running(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie that nobody has waited for yet does nothing any more.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn a_program_gets_the_note_and_nothing_of_the_daemons_environment() {
    let dir = tempfile::tempdir().expect("a directory");
    let (input, env) = (dir.path().join("input"), dir.path().join("env"));
    let script = format!("env > {}; pwd >> {0}; cat > {}", env.display(), input.display());
    let daemon = Daemon::start_with(&config(&script, 30));
    let note = seal(&daemon);
    delivered(&daemon, &note);
    assert_eq!(fs::read_to_string(&input).expect("text"), note);
    let env = fs::read_to_string(&env).expect("text");
    let log_id = status(&daemon)["log_id"].as_str().expect("an id").to_owned();
    let mut own: Vec<&str> = env.lines().filter(|line| line.starts_with("AUDITLOGD_")).collect();
    own.sort_unstable();
    let size = size(&note);
    assert_eq!(own, [format!("AUDITLOGD_LOG_ID={log_id}"), format!("AUDITLOGD_SIZE={size}")]);
    let names = env.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
    // The shell sets some itself.
    let known = ["PATH", "PWD", "OLDPWD", "SHLVL", "_", "AUDITLOGD_LOG_ID", "AUDITLOGD_SIZE"];
    assert!(names.clone().all(|name| known.contains(&name)), "{env}");
    assert_eq!(env.lines().last(), Some("/"));
}

#[test]
fn a_program_that_fails_is_said_once_tried_again_and_said_when_it_works() {
    let dir = tempfile::tempdir().expect("a directory");
    let ready = dir.path().join("ready");
    let script = format!("test -e {} && exit 0; echo 'no disk' >&2; exit 3", ready.display());
    let daemon = Daemon::start_with(&config(&script, 30));
    let note = seal(&daemon);
    assert_eq!(failure(&daemon), "it ended with exit status: 3 and said: no disk");
    eventually("it is tried again", || {
        (status(&daemon)["metrics"]["anchor_failures"].as_u64() >= Some(2)).then_some(())
    });
    assert_eq!(daemon.log().matches("said: no disk").count(), 1, "{}", daemon.log());
    let text = daemon.tool(&["status"]).stdout;
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains("failing since") && text.contains("said: no disk"), "{text}");
    fs::write(&ready, "").expect("written");
    delivered(&daemon, &note);
    eventually("that is said", || daemon.log().contains("takes checkpoints again").then_some(()));
}

#[test]
fn a_program_that_takes_too_long_is_killed_with_all_it_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let pids = dir.path().join("pids");
    let script = format!(
        "trap '' TERM; (trap '' TERM; while :; do sleep 1; done) & echo $$ $! >> {}; wait",
        pids.display()
    );
    let daemon = Daemon::start_with(&config(&script, 1));
    seal(&daemon);
    assert_eq!(failure(&daemon), "it took longer than 1s and was killed");
    let pids = fs::read_to_string(&pids).expect("text");
    let first = pids.lines().next().expect("a try");
    for pid in first.split_whitespace() {
        eventually("it is gone", || (!is_running(pid)).then_some(()));
    }
}

#[test]
fn a_program_that_hangs_holds_up_neither_clients_nor_the_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    let started = dir.path().join("started");
    let script = format!("echo $$ > {}; exec sleep 100000", started.display());
    let config = format!("stop_seconds = 8\n{}", config(&script, 3_600));
    let daemon = Daemon::start_with(&config);
    seal(&daemon);
    let pid = eventually("it runs", || {
        fs::read_to_string(&started).ok().filter(|pid| pid.ends_with('\n'))
    });
    // Each of these seals offers a checkpoint that nobody takes.
    for _ in 0..5 {
        seal(&daemon);
    }
    assert!(is_running(pid.trim()));
    let began = Instant::now();
    let stopped = daemon.stop();
    assert!(stopped.status.success(), "{}", stopped.daemon.log());
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let log = stopped.daemon.log();
    assert!(log.contains("does not have the last checkpoint"), "{log}");
    eventually("it was ended", || (!is_running(pid.trim())).then_some(()));
}

#[test]
fn a_program_that_is_not_there_is_named_with_the_reason() {
    let daemon =
        Daemon::start_with("[[anchor]]\ntype = \"exec\"\ncommand = [\"/nonexistent/hook\"]\n");
    seal(&daemon);
    assert!(failure(&daemon).contains("could not be started: No such file"));
    assert!(!Path::new("/nonexistent/hook").exists());
    assert!(daemon.log().contains("exec /nonexistent/hook"), "{}", daemon.log());
}
