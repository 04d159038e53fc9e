//! Any rows in any order of times, any rules and holds in any order of runs: what is over is gone after a run, and
//! nothing that is not.

use proptest::prelude::*;

use super::*;

/// A run of retention, or rows that come in between.
#[derive(Clone, Debug)]
enum Event {
    /// Some rows with these ages, in days.
    Rows(Vec<i64>),
    /// A run after so many days, cut short after so many steps and begun anew.
    Run { days: i64, keep: u64, logins: Option<u64>, held: Option<u8>, cut: usize },
}

fn event() -> impl Strategy<Value = Event> {
    let rows = proptest::collection::vec(-20i64..100, 1..12).prop_map(Event::Rows);
    let keep = 1u64..60;
    let run = (
        0i64..150,
        keep.clone(),
        proptest::option::of(keep),
        proptest::option::of(0u8..5),
        0usize..3,
    );
    let run = run.prop_map(|(days, keep, logins, held, cut)| Event::Run {
        days,
        keep,
        logins,
        held,
        cut,
    });
    prop_oneof![rows, run]
}

fn by_actor(n: u8) -> Hold {
    hold(Match { actor: vec![format!("user-{n}")], ..Match::default() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn exactly_what_is_over_is_gone_after_each_run(events in proptest::collection::vec(event(), 1..14)) {
        let place = Place::new();
        let mut writer = place.writer();
        let (mut next, mut there) = (0, BTreeSet::new());
        for event in events {
            match event {
                Event::Rows(days) => {
                    let rows: Vec<_> = days
                        .iter()
                        .zip(0u64..)
                        .map(|(day, n)| (next + n * 1_777, START + day * DAY))
                        .collect();
                    there.extend(rows.iter().copied());
                    next = rows.last().map_or(next, |(seq, _)| seq + 1);
                    put_at(&mut writer, rows.into_iter(), next);
                }
                Event::Run { days, keep, logins, held, cut } => {
                    let holds: Vec<_> = held.into_iter().map(by_actor).collect();
                    let what = PruneRows { holds, ..job(rules(keep, logins), days) };
                    let mut first = Pruning::new(what.clone());
                    for _ in 0..cut {
                        if first.step(&mut writer).expect("a step") {
                            break;
                        }
                    }
                    prune(&mut writer, what.clone());
                    there.retain(|(seq, ts_ns)| {
                        let fields = fields(*seq);
                        let facts = Facts {
                            event_type: fields.event_type.as_deref(),
                            actor: fields.actor.as_deref(),
                            ..Facts::default()
                        };
                        let keep = what.rules.keep_seconds(&facts) as i64 * 1_000_000_000;
                        ts_ns + keep > what.believed_ns
                            || what.holds.iter().any(|hold| hold.holds(&facts, *ts_ns))
                    });
                    let found: BTreeSet<_> =
                        all(&place.reader()).iter().map(|row| (row.seq, row.ts_ns)).collect();
                    prop_assert_eq!(&found, &there);
                }
            }
        }
    }
}
