//! The socket protocol as a client meets it: events, acknowledgements, greetings, closing.

mod common;

use std::io::Write;

use common::{Daemon, LONG, eventually};
use serde_json::{Value, json};

fn last_ack(replies: &[Value]) -> &Value {
    &replies.iter().rev().find(|reply| reply["ack"].is_object()).expect("an ack")["ack"]
}

#[test]
fn an_event_is_stored_byte_for_byte_under_the_identity_of_its_sender() {
    let daemon = Daemon::start();
    let text = r#"{"event_type":"a.b",  "n":1.0e2, "ü":"\u00fc","peer":{"uid":77}}"#;
    daemon.greeted().store(text, 1);
    let raw = std::fs::read_to_string(daemon.segment()).expect("reads");
    assert!(raw.contains(text), "{raw}");
    let event = &daemon.events()[0];
    let exe = std::env::current_exe().expect("known");
    assert_eq!(event["peer"]["pid"], std::process::id());
    assert_eq!(event["peer"]["uid"], nix::unistd::getuid().as_raw());
    assert_eq!(event["peer"]["gid"], nix::unistd::getgid().as_raw());
    assert_eq!(event["peer"]["exe"], exe.to_str().expect("utf-8"));
}

#[test]
fn the_id_is_the_clients_or_else_made_of_log_and_seq() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.send("{\"event_id\":\"mine \\u2028\\n\"}\n");
    client.store("{}", 2);
    let log_id = daemon.lines()[0]["log_id"].as_str().expect("text").to_owned();
    let events = daemon.events();
    assert_eq!(events[0]["id"], "mine \u{2028}\n");
    assert_eq!(events[1]["id"], format!("{}-{}", &log_id[..12], events[1]["seq"]));
}

#[test]
fn an_ack_is_a_receipt_for_the_last_line() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.send("{\"n\":1}\n{\"n\":2}\n");
    let replies = client.replies_to(2);
    let ack = last_ack(&replies);
    let line = daemon.events().pop().expect("stored before it was acknowledged");
    assert_eq!(line["event"]["n"], 2);
    assert_eq!((&ack["seq"], &ack["mac"]), (&line["seq"], &line["mac"]));
}

#[test]
fn many_lines_in_one_go_are_acknowledged_by_few_replies() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.send("{\"event_type\":\"many\"}\n".repeat(20_000));
    let replies = client.replies_to(20_000);
    assert!(replies.len() < 1000, "{}", replies.len());
    let numbers: Vec<_> = replies.iter().map(|r| r["ack"]["line"].as_u64()).collect();
    assert!(numbers.is_sorted() && numbers[0].is_some());
    assert_eq!(daemon.events().len(), 20_000);
}

#[test]
fn after_a_half_close_everything_is_acknowledged_before_the_daemon_closes() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.send("{\"n\":1}\n".repeat(5000));
    let replies = client.finish();
    assert_eq!(last_ack(&replies)["line"], 5000);
    assert_eq!(daemon.events().len(), 5000);
}

#[test]
fn a_client_that_never_greets_and_never_reads_loses_nothing_and_is_not_written_to() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    for n in 0..30_000 {
        client.send(format!("{{\"n\":{n}}}\n"));
    }
    assert_eq!(client.finish(), Vec::<Value>::new());
    let numbers: Vec<_> = daemon.events().iter().map(|line| line["event"]["n"].clone()).collect();
    assert_eq!(numbers, (0..30_000).map(Value::from).collect::<Vec<_>>());
}

#[test]
fn a_client_that_writes_and_is_gone_is_heard() {
    let daemon = Daemon::start();
    daemon.connect().send("{\"event_type\":\"quick\"}");
    eventually("the event is stored", || daemon.events().pop());
}

#[test]
fn a_greeting_is_answered_with_the_log_and_is_no_event() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    client.send("\r\n{ \"auditlog\" : {\"ack\": true} }\r\n{}\n");
    let log_id = daemon.lines()[0]["log_id"].clone();
    let greeting = client.reply().expect("a greeting");
    assert_eq!(greeting, json!({"auditlog": {"protocol": 1, "log_id": log_id}}));
    client.replies_to(1);
    assert_eq!(daemon.events().len(), 1);
}

#[test]
fn what_only_looks_like_a_greeting_is_an_event() {
    let daemon = Daemon::start();
    let lines = [
        r#"{"auditlog":{"ack":true},"more":1}"#,
        r#"{"auditlog":{"ack":"true"}}"#,
        r#"{"auditlog":true}"#,
        r#"{"auditlog":{}}"#,
    ];
    for line in lines {
        let mut client = daemon.connect();
        client.send(format!("{line}\n"));
        assert_eq!(client.finish(), Vec::<Value>::new());
    }
    let mut late = daemon.connect();
    late.send("{}\n{\"auditlog\":{\"ack\":true}}\n");
    assert_eq!(late.finish(), Vec::<Value>::new());
    assert_eq!(daemon.events().len(), lines.len() + 2);
}

#[test]
fn a_greeting_that_declines_acks_gets_none() {
    let daemon = Daemon::start();
    let mut client = daemon.connect();
    client.send("{\"auditlog\":{\"ack\":false}}\n{}\nx\n");
    assert_eq!(client.finish(), Vec::<Value>::new());
    assert_eq!(daemon.events().len(), 1);
}

#[test]
fn blank_lines_are_neither_counted_nor_stored() {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    client.send("\n \t\r\n{\"n\":1}\r\n\n{\"n\":2}\n\n");
    client.replies_to(2);
    assert_eq!(daemon.events().len(), 2);
    assert_eq!(daemon.records("rejected").len(), 0);
}

#[test]
fn clients_at_the_same_time_keep_their_own_order() {
    let daemon = Daemon::start();
    std::thread::scope(|scope| {
        for client in 0..16 {
            let daemon = &daemon;
            scope.spawn(move || {
                let mut connection = daemon.greeted();
                for n in 0..500 {
                    connection.send(format!("{{\"client\":{client},\"n\":{n}}}\n"));
                }
                assert_eq!(last_ack(&connection.finish())["line"], 500);
            });
        }
    });
    let events = daemon.events();
    for client in 0..16 {
        let own = events.iter().filter(|line| line["event"]["client"] == client);
        let numbers: Vec<_> = own.map(|line| line["event"]["n"].as_u64()).collect();
        assert_eq!(numbers, (0..500).map(Some).collect::<Vec<_>>());
    }
}

#[test]
fn a_client_that_leaves_its_replies_unread_is_closed_with_a_record_and_holds_up_nobody() {
    let daemon = Daemon::start();
    let mut lazy = daemon.greeted();
    lazy.stream.set_write_timeout(None).expect("no timeout");
    // Each refused line has a reply, until the daemon reads no more of them.
    let writing = std::thread::spawn(move || {
        while lazy.stream.write_all(&b"nonsense\n".repeat(1000)).is_ok() {}
        lazy
    });
    let mut other = daemon.greeted();
    for line in 1..=100 {
        other.store("{\"event_type\":\"served\"}", line);
    }
    let record =
        eventually("the lazy client is disconnected", || daemon.records("disconnected").pop());
    assert_eq!(record["event"]["data"]["reason"], "replies_not_read");
    assert_eq!(record["peer"]["pid"], std::process::id());
    writing.join().expect("its writes fail");
    other.store("{\"event_type\":\"still served\"}", 101);
}

#[test]
fn a_stop_stores_and_acknowledges_what_was_written_before_it() {
    let daemon = Daemon::start();
    let mut clients: Vec<_> = (0..8).map(|_| daemon.greeted()).collect();
    for client in &mut clients {
        client.send("{\"event_type\":\"late\"}\n".repeat(2000));
    }
    let stopped = daemon.stop();
    assert!(stopped.status.success(), "{}", stopped.daemon.log());
    assert_eq!(stopped.daemon.events().len(), 8 * 2000);
    for client in &mut clients {
        let replies: Vec<_> = std::iter::from_fn(|| client.reply()).collect();
        assert_eq!(last_ack(&replies)["line"], 2000);
    }
    assert!(!stopped.daemon.socket().exists());
}

#[test]
fn four_thousand_connections_at_once_are_served_and_cost_little() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("known");
    // And some for the tests beside this one.
    let needed = 2 * 4096 + 1000;
    assert!(hard >= needed, "this test needs `ulimit -Hn` of {needed}, it is {hard}");
    setrlimit(Resource::RLIMIT_NOFILE, needed.max(soft), hard).expect("raises the limit");

    // Of which one user may hold three quarters.
    let daemon = Daemon::start_with("[ingest]\nmax_connections = 5500\n");
    let before = resident_kib(daemon.pid());
    let mut clients: Vec<_> = (0..4096).map(|_| daemon.greeted()).collect();
    let grown = resident_kib(daemon.pid()) - before;
    assert!(grown < 64 * 1024, "{grown} KiB more with 4,096 idle connections");
    for (n, client) in clients.iter_mut().enumerate() {
        client.send(format!("{{\"n\":{n}}}\n"));
    }
    for client in &mut clients {
        client.replies_to(1);
    }
    assert_eq!(daemon.events().len(), 4096);
}

fn resident_kib(pid: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("runs");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("known");
    line.split_ascii_whitespace().nth(1).expect("a number").parse().expect("a number")
}

#[test]
fn a_connection_beyond_the_limit_waits_for_its_turn() {
    let daemon = Daemon::start_with("[ingest]\nmax_connections = 2\n");
    let first = daemon.greeted();
    let _second = daemon.greeted();
    let mut third = daemon.connect();
    third.send("{\"auditlog\":{\"ack\":true}}\n{}\n");
    third.stream.set_read_timeout(Some(std::time::Duration::from_millis(200))).expect("timeout");
    let early = std::io::Read::read(&mut third.stream, &mut [0]).expect_err("nobody answers yet");
    assert_eq!(early.kind(), std::io::ErrorKind::WouldBlock);
    third.stream.set_read_timeout(Some(LONG)).expect("timeout");
    drop(first);
    third.replies_to(1);
}

#[test]
fn without_descriptors_new_clients_wait_and_the_daemon_neither_spins_nor_stalls_the_others() {
    let daemon = Daemon::start();
    let mut served = daemon.greeted();
    let limit = std::process::Command::new("prlimit")
        .args(["--nofile=64:64", "--pid", &daemon.pid().to_string()])
        .status();
    assert!(limit.expect("prlimit (util-linux) runs").success());
    let waiting: Vec<_> = (0..80).map(|_| daemon.connect()).collect();
    eventually("it says so", || daemon.log().contains("LimitNOFILE").then_some(()));
    let before = cpu_ticks(daemon.pid());
    // No synchronisation: the span over which it is to be idle.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let used = cpu_ticks(daemon.pid()) - before;
    assert!(used < 20, "{used} ticks of 50");
    served.store("{}", 1);
    drop(waiting);
    daemon.greeted().store("{}", 1);
}

/// User and system time of a process, in 1/100 s.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("runs");
    let fields = stat.rsplit_once(')').expect("a name").1.split_ascii_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}
