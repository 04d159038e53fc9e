//! Whatever happens to a host, held against a map of what was sent.

use std::collections::BTreeMap;

use auditlogd::clock::Now;
use proptest::prelude::*;

use crate::common::traffic::segments;
use crate::engine::{Host, Sent};

/// An event: its user, its id, of which 0 is none, and what makes its text.
type Event = (u32, u8, u8);

/// What happens on a host.
#[derive(Clone, Debug)]
enum Step {
    /// A user sends these ids and texts in one submission.
    Send(u32, Vec<(u8, u8)>),
    Restart,
    Reboot,
    Rotate,
}

fn step() -> impl Strategy<Value = Step> {
    let events = prop::collection::vec((0u8..9, 0u8..3), 1..12);
    prop_oneof![
        12 => (0u32..3, events).prop_map(|(uid, events)| Step::Send(uid, events)),
        2 => Just(Step::Restart),
        1 => Just(Step::Reboot),
        1 => Just(Step::Rotate),
    ]
}

/// Sends events of one user; the line that the receipt names.
fn send(host: &Host, events: &[Event]) -> u64 {
    let name = |id: u8| if id == 0 { String::new() } else { id.to_string() };
    let texts: Vec<_> =
        events.iter().map(|(_, id, n)| (name(*id), format!("{{\"n\":{n}}}"))).collect();
    let uid = events[0].0;
    let sent: Vec<_> = texts.iter().map(|(id, text)| Sent { uid, id, text }).collect();
    host.send(&sent)
}

/// The lines of the events with an id that clients sent, as they stand in the ledger.
fn lines(host: &Host) -> BTreeMap<Event, Vec<u64>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for line in segments(host.root.path()).into_iter().flat_map(|segment| segment.lines) {
        let number = |value: &serde_json::Value| value.as_u64().expect("a number");
        let id = line["id"].as_str().and_then(|id| id.parse().ok());
        if let (Some(id), true) = (id, line["event"]["n"].is_u64()) {
            let event =
                (number(&line["peer"]["uid"]) as u32, id, number(&line["event"]["n"]) as u8);
            found.entry(event).or_default().push(number(&line["seq"]));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    /// There are fewer texts of an id than are told apart, and all events fit into the window.
    #[test]
    fn each_event_of_each_user_has_one_line(steps in prop::collection::vec(step(), 1..40)) {
        let mut host = Host::new(1000, 600);
        let mut known: BTreeMap<Event, u64> = BTreeMap::new();
        let mut highest = 0;
        for step in steps {
            match step {
                Step::Send(uid, events) => {
                    let events: Vec<Event> = events.into_iter().map(|(id, n)| (uid, id, n)).collect();
                    let told = send(&host, &events);
                    let last = events[events.len() - 1];
                    if let Some(first) = known.get(&last) {
                        prop_assert_eq!(told, *first);
                    } else {
                        prop_assert!(told > highest);
                    }
                    highest = highest.max(told);
                    for event in events.into_iter().filter(|(_, id, _)| *id != 0) {
                        // Each is known by now.
                        let first = send(&host, &[event]);
                        prop_assert_eq!(*known.entry(event).or_insert(first), first);
                        prop_assert!(event != last || told == first);
                        highest = highest.max(first);
                    }
                }
                Step::Restart => host.again(),
                Step::Reboot => {
                    let now = host.stop();
                    host.boot += 1;
                    host.start_at(Now { boot_ns: 1_000_000_000, ..now });
                }
                Step::Rotate => {
                    let rotated = host.running().writer().rotate("the test says so".into());
                    prop_assert!(rotated.is_ok());
                }
            }
        }
        host.stop();
        let expected: BTreeMap<_, _> = known.into_iter().map(|(event, line)| (event, vec![line])).collect();
        prop_assert_eq!(lines(&host), expected);
    }
}
