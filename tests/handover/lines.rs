//! Lines that a restart or a kill cuts in two.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::eventually;
use crate::common::manager::{End, Manager};
use crate::{event, expect, expect_refused};

/// Sends a whole line and the first part of another in one write, waits until they were read, lets one
/// daemon end and the next one start, and sends the rest.
fn cut(manager: &mut Manager, how: End, first: &[u8], rest: &[u8]) {
    let mut client = manager.greeted();
    client.send([event("whole").as_bytes(), first].concat());
    client.replies_to(1);
    manager.again(how);
    client.send(rest);
    client.send(event("next"));
    client.replies_to(3);
    client.finish();
}

#[test]
fn half_a_line_waits_for_its_other_half() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let line = event("cut");
        let (first, rest) = line.as_bytes().split_at(30);
        cut(&mut manager, how, first, rest);
        expect(&manager, &["whole", "cut", "next"]);
    }
}

#[test]
fn a_line_can_be_cut_at_its_newline() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let line = event("cut");
        let (first, rest) = line.as_bytes().split_at(line.len() - 1);
        cut(&mut manager, how, first, rest);
        expect(&manager, &["whole", "cut", "next"]);
    }
}

#[test]
fn half_a_line_waits_through_many_daemons() {
    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    for byte in event("cut").as_bytes().chunks(6) {
        client.send(byte);
        manager.again(if byte[0] % 2 == 0 { End::Restart } else { End::Kill });
    }
    client.replies_to(1);
    expect(&manager, &["cut"]);
}

#[test]
fn a_greeting_can_be_cut() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut client = manager.connect();
        client.send("\n \r\n{\"auditlog\":{\"a");
        manager.await_kept(1);
        manager.again(how);
        client.send("ck\":true}}\n");
        assert_eq!(client.reply().expect("a greeting")["auditlog"]["protocol"], 1);
        manager.again(how);
        client.send(event("first"));
        client.replies_to(1);
        client.finish();
        expect(&manager, &["first"]);
        assert!(manager.records("rejected").is_empty());
    }
}

#[test]
fn a_second_greeting_is_an_event_after_a_restart_too() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut client = manager.greeted();
        manager.again(how);
        client.send("{\"auditlog\":{\"ack\":true}}\n");
        client.replies_to(1);
        assert_eq!(manager.events().len(), 1);
    }
}

/// A single byte takes as much of the kernel's bookkeeping as some hundred: what the daemon leaves in the
/// socket's buffer until the line is whole would fill it.
#[test]
fn a_line_that_comes_byte_by_byte_goes_on_after_each_end() {
    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    let line = format!("{{\"event_id\":\"slow\",\"a\":\"{}\"}}\n", "x".repeat(6000));
    let written = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for byte in line.bytes() {
                client.send([byte]);
                written.fetch_add(1, Ordering::Relaxed);
            }
        });
        for (at, how) in [(1000, End::Kill), (2000, End::Restart), (3500, End::Kill)] {
            eventually("more bytes are written", || {
                (written.load(Ordering::Relaxed) > at).then_some(())
            });
            manager.again(how);
        }
    });
    client.replies_to(1);
    client.finish();
    expect(&manager, &["slow"]);
    assert_eq!(manager.events()[0]["event"]["a"].as_str().map(str::len), Some(6000));
}

#[test]
fn a_line_over_the_limit_is_refused_once_and_with_its_length() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        cut(&mut manager, how, &[b'x'; 70_000], &[b"y".repeat(80_000), b"\n".to_vec()].concat());
        let (code, line, bytes, raw) = expect_refused(&manager);
        assert_eq!((code.as_str(), line, bytes), ("too_long", 2, 150_000));
        assert_eq!(raw, [b'x'; 4096]);
        expect(&manager, &["whole", "next"]);
    }
}

#[test]
fn a_line_can_reach_the_limit_after_the_cut() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        cut(&mut manager, how, &[b'x'; 3000], &[b"y".repeat(80_000), b"\n".to_vec()].concat());
        let (code, line, bytes, raw) = expect_refused(&manager);
        assert_eq!((code.as_str(), line, bytes), ("too_long", 2, 83_000));
        assert_eq!(raw, [[b'x'; 3000].as_slice(), &[b'y'; 1096]].concat());
    }
}

/// It cannot wait in the socket's buffer.
#[test]
fn a_line_longer_than_the_sockets_buffer_is_counted_to_the_byte() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut client = manager.greeted();
        for _ in 0..3 {
            client.send([b'x'; 700_001]);
            manager.again(how);
        }
        client.send([b"\n", event("next").as_bytes()].concat());
        client.replies_to(2);
        client.finish();
        let (code, line, bytes, raw) = expect_refused(&manager);
        assert_eq!((code.as_str(), line, bytes), ("too_long", 1, 2_100_003));
        assert_eq!(raw, [b'x'; 4096]);
        expect(&manager, &["next"]);
    }
}

#[test]
fn a_character_can_be_cut() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let line = "{\"event_id\":\"é\"}\n".as_bytes();
        let (first, rest) = line.split_at(14);
        assert_eq!(first.last(), Some(&0xc3));
        cut(&mut manager, how, first, rest);
        expect(&manager, &["whole", "é", "next"]);
    }
}

#[test]
fn what_is_not_utf8_is_refused_once() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        cut(&mut manager, how, b"{\"a\":\"\xff", b"\xfe\"}\n");
        let (code, line, bytes, raw) = expect_refused(&manager);
        assert_eq!((code.as_str(), line, bytes), ("invalid_utf8", 2, 10));
        assert_eq!(raw, b"{\"a\":\"\xff\xfe\"}");
        expect(&manager, &["whole", "next"]);
    }
}
