//! What clients are told over the end of a daemon: line numbers go on, and no ack goes missing.

use serde_json::Value;

use crate::common::eventually;
use crate::common::manager::{End, Manager};
use crate::{event, events, expect};

/// The line of an ack.
fn acked(reply: &Value) -> Option<u64> {
    reply["ack"]["line"].as_u64()
}

#[test]
fn the_ack_of_what_was_sent_before_the_end_comes_without_another_line() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut client = manager.greeted();
        for round in 1..=5 {
            client.send(events((round - 1) * 100..round * 100));
            manager.again(how);
            let replies = client.replies_to(round * 100);
            let lines: Vec<_> = replies.iter().filter_map(acked).collect();
            assert!(lines.is_sorted(), "{lines:?}");
        }
        let ids: Vec<_> = (0..500).map(|n| n.to_string()).collect();
        expect(&manager, &ids);
    }
}

#[test]
fn after_a_kill_what_is_durable_is_acknowledged_again() {
    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    client.send(events(["one", "two"]));
    let before = client.replies_to(2).pop().expect("an ack");
    manager.again(End::Kill);
    let again = client.reply().expect("an ack");
    assert_eq!(again, before);
}

#[test]
fn an_ack_is_the_receipt_of_its_line_also_after_the_end() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut client = manager.greeted();
        client.send(events(0..300));
        manager.again(how);
        let ack = client.replies_to(300).pop().expect("an ack")["ack"].clone();
        let last = manager.events().pop().expect("stored");
        assert_eq!((&ack["seq"], &ack["mac"]), (&last["seq"], &last["mac"]), "{how:?}");
    }
}

#[test]
fn refused_lines_count_on_and_are_told_once_over_a_restart() {
    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    client.send(["nonsense\n", &event("one"), "[]\n", &event("two")].concat());
    let mut replies = client.replies_to(4);
    manager.again(End::Restart);
    client.send(["17\n", &event("three"), "{\n", &event("four")].concat());
    replies.extend(client.replies_to(8));
    let refused: Vec<_> =
        replies.iter().filter_map(|reply| reply["reject"]["line"].as_u64()).collect();
    assert_eq!(refused, [1, 3, 5, 7]);
    assert_eq!(manager.records("rejected").len(), 4);
    expect(&manager, &["one", "two", "three", "four"]);
}

#[test]
fn refused_lines_are_recorded_once_over_a_kill() {
    let config = "[ingest]\nreject_records_per_second = 1000\nreject_records_burst = 1000\n";
    let mut manager = Manager::with_config(config);
    let mut client = manager.greeted();
    let mut text = String::new();
    for n in 0..200 {
        text += &format!("nonsense {n}\n{}", event(n));
    }
    client.send(&text);
    manager.again(End::Kill);
    client.send(text.replace("event_id\":\"", "event_id\":\"second "));
    manager.again(End::Kill);
    client.replies_to(800);
    client.finish();
    let lines: Vec<_> = manager
        .records("rejected")
        .iter()
        .map(|record| record["event"]["data"]["line"].as_u64().expect("a number"))
        .collect();
    let odd: Vec<_> = (1..=799).step_by(2).collect();
    assert_eq!(lines, odd);
    assert_eq!(manager.events().len(), 400);
}

/// Its acks fill the socket in the other direction.
#[test]
fn a_client_that_asks_for_replies_and_never_reads_them_loses_nothing() {
    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    let mut sent = 0;
    for how in [End::Restart, End::Kill, End::Kill, End::Restart] {
        for _ in 0..100 {
            client.send(event(sent));
            sent += 1;
        }
        manager.again(how);
    }
    let ids: Vec<_> = (0..sent).map(|n| n.to_string()).collect();
    expect(&manager, &ids);
    assert_eq!(manager.kept(), 1);
}

#[test]
fn a_client_that_leaves_too_much_unread_is_disconnected_as_ever_after_a_restart() {
    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    manager.again(End::Restart);
    client.send("nonsense\n".repeat(20_000));
    eventually("it is disconnected", || manager.records("disconnected").pop());
    manager.await_kept(0);
}
