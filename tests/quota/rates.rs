//! Events and bytes a second.

use std::time::{Duration, Instant};

use crate::common::manager::{End, Manager};
use crate::common::{Client, Daemon, LONG, eventually};
use crate::{account, data, sum};

/// Sends so many events with acks, and how long it takes until all are stored.
fn send(client: &mut Client, first: u64, count: u64) -> Duration {
    let start = Instant::now();
    let lines: String = (first..first + count).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    client.send(lines);
    client.replies_to(first + count - 1);
    start.elapsed()
}

#[test]
fn events_beyond_the_burst_come_at_the_rate_and_all_of_them() {
    let quota = "[quota]\nevents_per_second = 500\nevents_burst = 100\n";
    let daemon = Daemon::start_with(quota);
    let mut client = daemon.greeted();
    let took = send(&mut client, 1, 600);
    // 500 events beyond the burst; what came before the first of them was full anyway.
    assert!(took >= Duration::from_millis(990), "{took:?}");
    let numbers: Vec<_> = daemon.events().iter().map(|line| line["event"]["n"].as_u64()).collect();
    assert_eq!(numbers, (1..=600).map(Some).collect::<Vec<_>>());
    let stopped = daemon.stop();
    let records = data(&stopped.daemon, "throttled");
    assert!(sum(&records, "waited_ms") >= 900, "{records:?}");
    assert_eq!(records[0]["limits"], serde_json::json!(["events"]));
    assert_eq!(records[0]["uid"], nix::unistd::geteuid().as_raw());
    assert!(data(&stopped.daemon, "gap").is_empty());
}

#[test]
fn bytes_count_over_all_connections_of_a_user() {
    let quota = "[quota]\nbytes_per_second = 100000\nbytes_burst = 20000\n";
    let daemon = Daemon::start_with(quota);
    let mut clients: Vec<_> = (0..4).map(|_| daemon.greeted()).collect();
    let start = Instant::now();
    let line = format!("{{\"text\":\"{}\"}}\n", "x".repeat(988));
    for client in &mut clients {
        client.send(line.repeat(30));
    }
    for client in &mut clients {
        client.replies_to(30);
    }
    // 120,000 bytes, 20,000 of which come at once.
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(990), "{took:?}");
    assert_eq!(daemon.events().len(), 120);
    let stopped = daemon.stop();
    let records = data(&stopped.daemon, "throttled");
    assert_eq!(records[0]["limits"], serde_json::json!(["bytes"]));
    assert!(records[0]["connections"].as_u64().expect("a number") > 1, "{records:?}");
}

#[test]
fn within_the_quota_nobody_waits_and_after_a_pause_a_burst_is_there_again() {
    let quota = "[quota]\nevents_per_second = 1000\nevents_burst = 300\n";
    let daemon = Daemon::start_with(quota);
    let mut client = daemon.greeted();
    send(&mut client, 1, 300);
    let pause = Instant::now();
    while pause.elapsed() < Duration::from_millis(350) {
        // Others are served meanwhile; nothing but time fills the bucket.
        assert_eq!(account(&daemon)["slowed"], 0);
    }
    send(&mut client, 301, 300);
    assert_eq!(account(&daemon)["slowed_ms"], 0);
    assert!(data(&daemon.stop().daemon, "throttled").is_empty());
}

#[test]
fn a_reload_frees_connections_that_wait_and_status_names_who_is_slowed() {
    let daemon = Daemon::start_with("[quota]\nevents_per_second = 1\nevents_burst = 1\n");
    let mut clients: Vec<_> = (0..3).map(|_| daemon.greeted()).collect();
    let lines: String = (0..400).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    clients.iter_mut().for_each(|client| client.send(&lines));
    eventually("all three wait", || (account(&daemon)["slowed"] == 3).then_some(()));
    let text = String::from_utf8(daemon.tool(&["status"]).stdout).expect("text");
    assert!(text.contains("over its quota, 3 connections not read for now"), "{text}");
    assert!(daemon.events().len() < 400);

    daemon.configure("[quota]\nevents_per_second = 0\n");
    daemon.reload();
    for client in &mut clients {
        client.replies_to(400);
    }
    let account = account(&daemon);
    assert_eq!((&account["slowed"], daemon.events().len()), (&0.into(), 1200));
    assert!(account["slowed_ms"].as_u64().expect("a number") > 0, "{account}");
    let text = String::from_utf8(daemon.tool(&["status"]).stdout).expect("text");
    assert!(text.contains("was over its quota a moment ago"), "{text}");
}

#[test]
fn a_stop_does_not_wait_for_tokens_and_takes_in_all_that_was_written() {
    let daemon = Daemon::start_with("[quota]\nevents_per_second = 1\nevents_burst = 1\n");
    let mut clients: Vec<_> = (0..3).map(|_| daemon.greeted()).collect();
    let lines: String = (0..500).map(|n| format!("{{\"n\":{n}}}\n")).collect();
    clients.iter_mut().for_each(|client| client.send(&lines));
    let begun = Instant::now();
    let stopped = daemon.stop();
    assert!(stopped.status.success(), "{}", stopped.status);
    assert!(begun.elapsed() < LONG / 4, "{:?}", begun.elapsed());
    assert_eq!(stopped.daemon.events().len(), 1500);
}

#[test]
fn users_who_are_exempt_are_not_slowed() {
    let uid = nix::unistd::geteuid();
    let daemon = Daemon::start_with(&format!(
        "[quota]\nevents_per_second = 1\nevents_burst = 1\nexempt_uids = [{uid}]\n"
    ));
    send(&mut daemon.greeted(), 1, 2000);
    assert_eq!(account(&daemon)["slowed_ms"], 0);
}

#[test]
fn what_waits_for_tokens_lives_on_over_a_restart_and_a_kill() {
    for how in End::BOTH {
        let slow = "[quota]\nevents_per_second = 1\nevents_burst = 5\n";
        let mut manager = Manager::with_config(slow);
        let mut client = manager.greeted();
        manager.await_kept(1);
        client.send((0..300).map(|n| format!("{{\"n\":{n}}}\n")).collect::<String>());
        eventually("it waits", || (account(&manager)["slowed"] == 1).then_some(()));
        manager.configure("[quota]\nevents_per_second = 0\n");
        manager.again(how);
        client.replies_to(300);
        let numbers: Vec<_> =
            manager.events().iter().map(|line| line["event"]["n"].as_u64()).collect();
        assert_eq!(numbers, (0..300).map(Some).collect::<Vec<_>>());
    }
}
