use proptest::prelude::*;

use super::*;

fn window(lines: &[&str]) -> Window {
    let mut window = Window::default();
    for (line, ticket) in lines.iter().zip(1..) {
        window.push(line.as_bytes(), Some(ticket), None);
    }
    window
}

/// Has the connection take everything.
fn write_all(window: &mut Window) -> String {
    let text = String::from_utf8(window.unwritten().to_vec()).expect("text");
    window.wrote(text.len());
    text
}

fn accepted(window: &mut Window, line: u64) -> u64 {
    window.acknowledge(line).expect("a line").accepted
}

#[test]
fn an_ack_covers_the_lines_before_it_except_the_refused_ones() {
    let mut window = window(&["a", "b", "c", "d", "e"]);
    assert_eq!(write_all(&mut window), "a\nb\nc\nd\ne\n");
    for line in [2, 4] {
        window.refuse(line).expect("a line");
    }
    assert_eq!((accepted(&mut window, 3), window.len()), (2, 1));
    assert_eq!((accepted(&mut window, 5), window.len(), window.bytes()), (1, 0, 0));
    assert_eq!(accepted(&mut window, 5), 0);
}

#[test]
fn a_refused_line_is_given_back_once_and_never_sent_again() {
    let mut window = window(&["a", "bad", "c"]);
    write_all(&mut window);
    let (entry, text, answered) = window.refuse(2).expect("a line");
    assert_eq!((entry.ticket, text, answered.accepted), (Some(2), b"bad".to_vec(), 0));
    assert!(window.refuse(2).is_none());
    window.rewind();
    assert_eq!(write_all(&mut window), "a\nc\n");
    assert_eq!((accepted(&mut window, 2), window.len()), (2, 0));
}

#[test]
fn lines_that_the_connection_was_not_given_cannot_be_answered() {
    let mut window = window(&["a", "b"]);
    window.wrote(2);
    assert_eq!(accepted(&mut window, 1), 1);
    window.push(b"c", Some(3), None);
    window.wrote(2);
    assert!(window.acknowledge(3).is_none() && window.acknowledge(u64::MAX).is_none());
    assert_eq!(window.len(), 2);
    assert!(window.refuse(1).is_none() && window.refuse(0).is_none() && window.refuse(9).is_none());
}

#[test]
fn what_goes_to_the_spool_is_answered_there() {
    let mut window = window(&["a", "bb", "c"]);
    write_all(&mut window);
    window.refuse(2).expect("a line");
    assert_eq!((window.unkept(), window.unkept_lines()), (4, b"a\nc\n".to_vec()));
    window.kept_from(100);
    assert_eq!((window.unkept(), window.unkept_lines()), (0, vec![]));
    window.push(b"d", None, Some(110));
    window.rewind();
    assert_eq!(write_all(&mut window), "a\nc\nd\n");
    assert_eq!(window.acknowledge(1).expect("a line").spool_until, Some(102));
    assert_eq!(window.acknowledge(3).expect("a line").spool_until, Some(110));
}

/// What may happen, in any order.
#[derive(Clone, Debug)]
enum Step {
    Push,
    Write(usize),
    Ack(u64),
    Refuse(u64),
    Lose,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Push),
        4 => (0_usize..60).prop_map(Step::Write),
        2 => (0_u64..12).prop_map(Step::Ack),
        1 => (0_u64..12).prop_map(Step::Refuse),
        1 => Just(Step::Lose),
    ]
}

proptest! {
    /// A daemon that stores what it acknowledges and forgets repeats has every event once, whatever happens.
    #[test]
    fn every_event_is_answered_exactly_once(steps in proptest::collection::vec(step(), 0..120)) {
        let mut window = Window::default();
        // What the connection carries, and for each of its whole lines whether it was answered.
        let (mut wire, mut given) = (String::new(), Vec::<bool>::new());
        let (mut pushed, mut stored, mut refused) = (0_u64, Vec::new(), Vec::new());
        // In the end everything is written and acknowledged.
        let last = [Step::Lose, Step::Write(usize::MAX), Step::Ack(u64::MAX)];
        for step in steps.into_iter().chain(last) {
            match step {
                Step::Push => {
                    pushed += 1;
                    window.push(format!("event-{pushed}").as_bytes(), Some(pushed), None);
                }
                Step::Write(most) => {
                    let bytes = &window.unwritten()[..most.min(window.unwritten().len())];
                    wire.push_str(std::str::from_utf8(bytes).expect("text"));
                    let bytes = bytes.len();
                    window.wrote(bytes);
                    given.resize(wire.matches('\n').count(), false);
                }
                Step::Ack(line) => {
                    let line = line.min(given.len() as u64);
                    let new = given.iter_mut().zip(wire.lines()).take(line as usize);
                    let new: Vec<_> = new.filter(|(done, _)| !**done).collect();
                    let count = new.len() as u64;
                    for (done, text) in new {
                        *done = true;
                        stored.push(text.to_owned());
                    }
                    prop_assert_eq!(window.acknowledge(line).expect("a line").accepted, count);
                }
                Step::Refuse(line) => {
                    let mut open = given.iter_mut().zip(wire.lines()).skip((line as usize).max(1) - 1);
                    let Some((done @ false, text)) = open.next() else { continue };
                    if line == 0 { continue }
                    *done = true;
                    let (entry, bytes, _) = window.refuse(line).expect("a line");
                    prop_assert_eq!(&bytes, text.as_bytes());
                    prop_assert_eq!(format!("event-{}", entry.ticket.expect("its own")), text);
                    refused.push(text.to_owned());
                }
                Step::Lose => {
                    wire.clear();
                    given.clear();
                    window.rewind();
                }
            }
            prop_assert_eq!(window.unkept(), window.unkept_lines().len());
        }
        prop_assert_eq!((window.len(), window.bytes()), (0, 0));
        stored.extend(refused);
        stored.sort();
        let mut all: Vec<_> = (1..=pushed).map(|n| format!("event-{n}")).collect();
        all.sort();
        prop_assert_eq!(stored, all);
    }
}
