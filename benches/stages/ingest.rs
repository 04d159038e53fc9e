//! From the socket to the writer.

use std::hint::black_box;

use auditlogd::event::{FieldMap, parse};
use auditlogd::ingest::check::{MAX_STORED, check};
use auditlogd::ingest::framing::{Framer, Line, Then};
use auditlogd::json::one_line;

use crate::events::Events;
use crate::{EVENTS, Stage, time};

/// Bytes of a read.
const READ: usize = 64 << 10;

pub fn stages() -> Vec<Stage> {
    let mut events = Events::new(1, EVENTS as usize);
    let text = events.take(usize::MAX, EVENTS).0.to_vec();
    let text = String::from_utf8(text).expect("events are text");
    let lines: Vec<_> = text.lines().collect();
    let map = FieldMap::builtin();
    let nothing = FieldMap::new(&[], &[], &[]).expect("a map may lead nowhere");
    let frame = time(|| frame(text.as_bytes()));
    let walk = time(|| each(&lines, |line| drop(black_box(parse(line, &nothing)))));
    let parse = time(|| each(&lines, |line| drop(black_box(parse(line, &map)))));
    let safe = time(|| each(&lines, |line| drop(black_box(one_line(line)))));
    let check = time(|| {
        each(&lines, |line| drop(black_box(check(&Line::Text(line), &map, MAX_STORED))));
    });
    let stage = |name, ns, note| Stage { name, ns, note };
    vec![
        stage("frame", frame, "reads of 64 KiB taken apart, and whether each line is UTF-8"),
        stage("parse", walk, "JSON checked, no member looked for"),
        stage("extract", parse - walk, "what looking for the known members adds to that"),
        stage("one line", safe, "whether it holds what would break a line elsewhere"),
        stage("check", check, "all of the last three and what is refused"),
    ]
}

fn frame(text: &[u8]) {
    let mut framer = Framer::default();
    let mut lines = 0;
    for block in text.chunks(READ) {
        framer.feed(block, MAX_STORED, |line, _| {
            lines += u64::from(matches!(black_box(line), Line::Text(_)));
            Then::Next
        });
    }
    assert_eq!(lines, EVENTS, "each is found");
}

fn each(lines: &[&str], mut work: impl FnMut(&str)) {
    lines.iter().for_each(|line| work(line));
}
