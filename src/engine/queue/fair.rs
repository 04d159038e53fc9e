//! Who is served next: start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996), first between users, then
//! between the connections of one user.
//!
//! Each user has a virtual time: the bytes it was served, but never less than what was served to everybody else
//! when it began to wait. The least goes first. So a user, or a connection, that sends little finds itself at
//! the front, and those that send without pause share the rest evenly.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::Hash;

/// What waits, in the order of its flow, and whose turn it is.
pub struct Fair<T> {
    users: HashMap<u32, User<T>>,
    turns: Turns<u32>,
}

struct User<T> {
    flows: HashMap<u64, Flow<T>>,
    turns: Turns<u64>,
    served: u64,
}

struct Flow<T> {
    waiting: VecDeque<(u64, T)>,
    served: u64,
    /// Nothing more comes: it is forgotten once nothing waits.
    closed: bool,
}

/// What was taken out, and where it came from.
pub struct Turn<T> {
    /// What waited.
    pub item: T,
    /// Whether its flow is now empty while others wait: somebody who asks for less than there is.
    pub sparse: bool,
}

/// Those who wait, by their virtual time.
struct Turns<K> {
    waiting: BTreeSet<(u64, K)>,
    now: u64,
}

impl<T> Default for Fair<T> {
    fn default() -> Self {
        Self { users: HashMap::new(), turns: Turns::default() }
    }
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { waiting: BTreeSet::new(), now: 0 }
    }
}

impl<K: Copy + Ord + Hash> Turns<K> {
    /// Somebody begins to wait who was served so much; its virtual time from here on.
    fn begin(&mut self, key: K, served: u64) -> u64 {
        let served = served.max(self.now);
        self.waiting.insert((served, key));
        served
    }

    /// Whose turn it is. That one waits no more.
    fn next(&mut self) -> Option<K> {
        let (served, key) = self.waiting.pop_first()?;
        self.now = served;
        Some(key)
    }
}

impl<T> Fair<T> {
    /// Puts something behind what waits of its flow. `cost`: its bytes.
    pub fn push(&mut self, (uid, flow): (u32, u64), cost: u64, item: T) {
        let user = self.users.entry(uid).or_default();
        let idle = user.turns.waiting.is_empty();
        let one = user.flows.entry(flow).or_default();
        if one.waiting.is_empty() {
            one.served = user.turns.begin(flow, one.served);
        }
        one.waiting.push_back((cost, item));
        if idle {
            user.served = self.turns.begin(uid, user.served);
        }
    }

    /// Takes out what is next.
    pub fn pop(&mut self) -> Option<Turn<T>> {
        let uid = self.turns.next()?;
        let user = self.users.get_mut(&uid)?;
        let key = user.turns.next()?;
        let flow = user.flows.get_mut(&key)?;
        let (cost, item) = flow.waiting.pop_front()?;
        (flow.served, user.served) = (flow.served + cost, user.served + cost);
        let sparse = flow.waiting.is_empty();
        if !sparse {
            user.turns.waiting.insert((flow.served, key));
        } else if flow.closed {
            user.flows.remove(&key);
        }
        if !user.turns.waiting.is_empty() {
            self.turns.waiting.insert((user.served, uid));
        } else if user.flows.is_empty() {
            self.users.remove(&uid);
        }
        Some(Turn { item, sparse: sparse && !self.turns.waiting.is_empty() })
    }

    /// A flow has ended. What waits of it is still served.
    pub fn close(&mut self, (uid, flow): (u32, u64)) {
        let Some(user) = self.users.get_mut(&uid) else { return };
        match user.flows.get_mut(&flow) {
            Some(one) if !one.waiting.is_empty() => one.closed = true,
            _ => drop(user.flows.remove(&flow)),
        }
        if user.flows.is_empty() {
            self.users.remove(&uid);
        }
    }
}

impl<T> Default for User<T> {
    fn default() -> Self {
        Self { flows: HashMap::new(), turns: Turns::default(), served: 0 }
    }
}

impl<T> Default for Flow<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), served: 0, closed: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    /// The next `n` items.
    fn take<T>(fair: &mut Fair<T>, n: usize) -> Vec<T> {
        (0..n).map_while(|_| fair.pop()).map(|turn| turn.item).collect()
    }

    fn flood(fair: &mut Fair<(u32, u64)>, flow: (u32, u64), items: usize) {
        (0..items).for_each(|_| fair.push(flow, 100, flow));
    }

    #[test]
    fn who_comes_with_little_goes_before_what_a_flood_has_left_waiting() {
        let mut fair = Fair::default();
        flood(&mut fair, (1, 1), 100);
        assert_eq!(take(&mut fair, 50).len(), 50);
        fair.push((2, 2), 1, (2, 2));
        fair.push((1, 3), 1, (1, 3));
        let next = take(&mut fair, 4);
        assert!(next.contains(&(2, 2)) && next.contains(&(1, 3)), "{next:?}");
    }

    #[test]
    fn a_user_with_many_connections_gets_no_more_than_one_with_a_single_one() {
        let mut fair = Fair::default();
        (0..1000).for_each(|flow| flood(&mut fair, (1, flow), 4));
        flood(&mut fair, (2, 5000), 500);
        let first = take(&mut fair, 1000);
        let of_second = first.iter().filter(|(uid, _)| *uid == 2).count();
        assert!((499..=500).contains(&of_second), "{of_second}");
        assert!((0..400).all(|flow| first.contains(&(1, flow))), "all of its connections in turn");
    }

    #[test]
    fn bytes_count_and_not_items() {
        let mut fair = Fair::default();
        (0..100).for_each(|_| fair.push((1, 1), 1000, 'L'));
        (0..1000).for_each(|_| fair.push((2, 2), 100, 's'));
        let first: String = take(&mut fair, 550).into_iter().collect();
        let large = first.matches('L').count();
        assert!((48..=52).contains(&large), "{large}");
    }

    #[test]
    fn nothing_is_remembered_of_flows_that_have_ended() {
        let mut fair = Fair::default();
        for flow in 0..1000 {
            flood(&mut fair, (1, flow), 2);
            fair.close((1, flow));
        }
        assert_eq!(take(&mut fair, 5000).len(), 2000);
        assert!(fair.users.is_empty());
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_each_flow_keeps_its_order(
            steps in proptest::collection::vec((0u32..3, 0u64..4, 0u64..5000, any::<bool>()), 0..300)
        ) {
            let (mut fair, mut sent, mut seen) = (Fair::default(), HashMap::new(), HashMap::new());
            let mut check = |(flow, number): ((u32, u64), u32)| {
                let next = seen.entry(flow).or_insert(0u32);
                assert_eq!(number, *next, "{flow:?}");
                *next += 1;
            };
            for (uid, flow, cost, pop) in steps {
                let number = sent.entry((uid, flow)).or_insert(0u32);
                fair.push((uid, flow), cost, ((uid, flow), *number));
                *number += 1;
                if pop && let Some(turn) = fair.pop() {
                    check(turn.item);
                }
            }
            while let Some(turn) = fair.pop() {
                check(turn.item);
            }
            prop_assert_eq!(sent, seen);
        }
    }
}
