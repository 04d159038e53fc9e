//! Connections of a user.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use crate::common::{Client, Daemon, LONG, eventually};
use crate::{account, data, sum};

/// The user nobody.
const OTHER: u32 = 65_534;
const GREETING: &str = "{\"auditlog\":{\"ack\":true}}\n";

#[test]
fn connections_beyond_the_quota_wait_unread_until_others_close() {
    let daemon = Daemon::start_with("[quota]\nconnections = 2\n");
    // The one that the daemon was found by has gone.
    eventually("nobody is connected", || (account(&daemon)["connections"] == 0).then_some(()));
    let (first, _second) = (daemon.greeted(), daemon.greeted());
    let mut third = daemon.connect();
    third.send(format!("{GREETING}{{\"n\":3}}\n"));
    eventually("it waits", || (account(&daemon)["slowed"] == 1).then_some(()));
    third.stream.set_read_timeout(Some(Duration::from_millis(50))).expect("timeout");
    let early = third.stream.read(&mut [0]).expect_err("nobody answers yet");
    assert_eq!(early.kind(), ErrorKind::WouldBlock);
    third.stream.set_read_timeout(Some(LONG)).expect("timeout");
    drop(first);
    third.replies_to(1);
    let records = data(&daemon.stop().daemon, "throttled");
    assert_eq!(records[0]["limits"], serde_json::json!(["connections"]));
}

#[test]
fn those_that_wait_for_their_turn_are_heard_at_a_stop() {
    let daemon = Daemon::start_with("[quota]\nconnections = 1\n");
    eventually("nobody is connected", || (account(&daemon)["connections"] == 0).then_some(()));
    let _served = daemon.greeted();
    for n in 0..5 {
        daemon.connect().send(format!("{{\"n\":{n}}}\n"));
    }
    eventually("they wait", || (account(&daemon)["slowed"] == 5).then_some(()));
    assert_eq!(daemon.stop().daemon.events().len(), 5);
}

#[test]
fn one_user_cannot_take_all_connections_and_what_that_costs_it_is_on_record() {
    let daemon = Daemon::start_with("[ingest]\nmax_connections = 40\n");
    eventually("nobody is connected", || (account(&daemon)["connections"] == 0).then_some(()));
    let mut bomb: Vec<Client> = (0..30).map(|_| daemon.greeted()).collect();
    // Three quarters of 40 are served; of the sixteen times as many that may be open, three quarters are.
    bomb.extend((30..480).map(|_| daemon.connect()));
    eventually("the others wait", || (account(&daemon)["slowed"] == 450).then_some(()));
    for _ in 0..200 {
        let mut client = daemon.connect();
        // It may be closed before this is written, which is no loss.
        let _ = client.stream.write_all(GREETING.as_bytes());
        let _ = client.stream.write_all(b"{\"n\":1}\n");
        bomb.push(client);
    }
    eventually("they are turned away", || (account(&daemon)["turned_away"] == 200).then_some(()));
    assert_eq!(account(&daemon)["connections"], 480);
    another_user_is_served(&daemon);

    // Those who have a place keep it, and a place that is given up can be had again.
    bomb.truncate(30);
    bomb[7].store("{\"n\":7}", 1);
    drop(bomb);
    eventually("all have gone", || (account(&daemon)["connections"] == 0).then_some(()));
    daemon.greeted().store("{\"n\":8}", 1);

    // All but the two that are stored.
    let lost = account(&daemon)["lines"].as_u64().expect("a number") - 2;
    let stopped = daemon.stop();
    let records = data(&stopped.daemon, "throttled");
    assert_eq!(sum(&records, "turned_away"), 200);
    let gaps = data(&stopped.daemon, "gap");
    assert_eq!(sum(&gaps, "events"), lost);
    assert!(gaps.iter().all(|gap| gap["reason"] == "too_many_connections"), "{gaps:?}");
    assert!(gaps.iter().all(|gap| gap["exact"] == true), "{gaps:?}");
    // It adds up, and events are missing.
    let said = stopped.daemon.tool(&["account"]);
    assert_eq!(said.status.code(), Some(5), "{}", String::from_utf8_lossy(&said.stdout));
}

fn another_user_is_served(daemon: &Daemon) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("skipped: only root can connect as somebody else");
        return;
    }
    fs::set_permissions(daemon.root(), Permissions::from_mode(0o755)).expect("opened");
    let program = daemon.root().join("auditlog");
    fs::copy(env!("CARGO_BIN_EXE_auditlog"), &program).expect("copies");
    let mut emit = Command::new(&program);
    emit.arg("--root").arg(daemon.root()).args(["emit", "--type", "other"]).uid(OTHER).gid(OTHER);
    let output = emit.output().expect("auditlog runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stored = daemon.events().iter().any(|line| line["peer"]["uid"] == OTHER);
    assert!(stored, "an event of the other user is stored");
}

#[test]
fn a_client_that_is_turned_away_is_told_so_if_it_wants_replies() {
    let daemon = Daemon::start_with("[ingest]\nmax_connections = 4\n");
    eventually("nobody is connected", || (account(&daemon)["connections"] == 0).then_some(()));
    let _places: Vec<_> = (0..48).map(|_| daemon.connect()).collect();
    eventually("they are there", || (account(&daemon)["connections"] == 48).then_some(()));
    // While it is stopped, what is written waits with the connection.
    daemon.stand_still();
    let mut client = daemon.connect();
    client.send(format!("{GREETING}{{\"n\":1}}\n{{\"n\":2}}\n"));
    daemon.signal(nix::sys::signal::Signal::SIGCONT);
    let reply = client.reply().expect("a reply");
    assert!(reply["error"].as_str().expect("text").contains("too many connections"), "{reply}");
    assert_eq!(client.reply(), None);
    assert_eq!(account(&daemon)["lines"], 2);
    assert_eq!(sum(&data(&daemon.stop().daemon, "gap"), "events"), 2);
}
