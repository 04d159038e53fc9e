use super::*;

const SECOND: u64 = 1_000_000_000;

fn limits(window: usize) -> config::Repeats {
    config::Repeats { window, seconds: 640 }
}

fn receipt(seq: u64) -> Receipt {
    let mut mac = [b'0'; 64];
    mac[..16].copy_from_slice(format!("{seq:016x}").as_bytes());
    Receipt { seq, mac }
}

/// A log whose lines hold nothing but what is entered, and one line a commit.
struct Log {
    repeats: Repeats,
    next: u64,
    seconds: u64,
}

impl Log {
    fn new(window: usize) -> Self {
        Self { repeats: Repeats::new(limits(window), 0), next: 0, seconds: 0 }
    }

    /// Hands in an event; the line that it is in and whether it was there already.
    fn take(&mut self, uid: u32, id: &str, text: &str) -> (u64, bool) {
        let boot_ns = self.seconds * SECOND;
        self.repeats.begin(Now { wall_ns: 0, boot_ns }, self.next);
        match self.repeats.look(uid, id.as_bytes(), text.as_bytes()) {
            Seen::Repeat(first) => {
                assert_eq!(first, receipt(first.seq));
                (first.seq, true)
            }
            Seen::New(key) => {
                let seq = self.next;
                self.next += 1;
                if let Some(key) = key {
                    self.repeats.enter(uid, key, &receipt(seq));
                }
                (seq, false)
            }
        }
    }

    fn is_known(&self, uid: u32, id: &str) -> bool {
        matches!(self.repeats.look(uid, id.as_bytes(), b"{}"), Seen::Repeat(_))
    }
}

#[test]
fn user_id_and_text_together_make_a_repeat() {
    let mut log = Log::new(10);
    assert_eq!(log.take(1, "a", "{}"), (0, false));
    assert_eq!(log.take(1, "a", "{}"), (0, true));
    assert_eq!(log.take(2, "a", "{}"), (1, false));
    assert_eq!(log.take(1, "b", "{}"), (2, false));
    assert_eq!(log.take(1, "a", "{ }"), (3, false));
    assert_eq!(log.take(1, "a", "{ }"), (3, true));
    assert_eq!(log.take(1, "a", "{}"), (0, true));
    assert_eq!(log.take(1, "", "{}"), (4, false));
    assert_eq!(log.take(1, "", "{}"), (5, false));
    // Where an id ends is part of it.
    assert_eq!(log.take(1, "a{", "}"), (6, false));
}

#[test]
fn an_id_with_another_text_is_told() {
    let mut log = Log::new(10);
    log.take(1, "a", "1");
    for (uid, id, reused) in [(1, "a", true), (1, "b", false), (2, "a", false)] {
        let Seen::New(Some(key)) = log.repeats.look(uid, id.as_bytes(), b"2") else {
            panic!("it is new");
        };
        assert_eq!(key.reused, reused);
    }
}

#[test]
fn the_last_ones_of_each_user_are_known_and_no_others() {
    let mut log = Log::new(100);
    for n in 0..1000 {
        log.take(1, &n.to_string(), "{}");
        log.take(2, &(n / 100).to_string(), "{}");
    }
    for n in 0..1000 {
        assert_eq!(log.is_known(1, &n.to_string()), n >= 900, "{n}");
    }
    assert!((0..10).all(|n| log.is_known(2, &n.to_string())));
    log.repeats.configure(limits(3));
    assert!(!log.is_known(1, "996") && log.is_known(1, "997"));
    log.repeats.configure(limits(0));
    assert_eq!((log.repeats.entries, log.repeats.users.len()), (0, 0));
    assert_eq!(log.take(1, "x", "{}").1, log.take(1, "x", "{}").1);
}

#[test]
fn a_client_with_one_id_for_all_is_served_as_fast_as_others_and_its_last_texts_are_known() {
    let mut log = Log::new(100_000);
    for n in 0..100_000 {
        log.take(1, "id", &n.to_string());
    }
    for n in (99_992..100_000).rev() {
        assert_eq!(log.take(1, "id", &n.to_string()), (n, true));
    }
    assert!(!log.take(1, "id", "99991").1);
}

#[test]
fn after_the_time_everything_is_forgotten_and_its_memory_given_back() {
    let mut log = Log::new(100_000);
    for n in 0..20_000 {
        log.take(n % 3, &n.to_string(), "{}");
    }
    let due = log.repeats.due().expect("much is remembered");
    let now = |boot_ns| Now { wall_ns: 0, boot_ns };
    assert!(!log.repeats.begin(now(due - 1), log.next));
    assert!((0..20_000).all(|n| log.is_known(n % 3, &n.to_string())));
    assert!(log.repeats.begin(now(due), log.next));
    assert_eq!((log.repeats.entries, log.repeats.users.len()), (0, 0));
    assert_eq!((log.repeats.due(), due), (None, 640 * SECOND));
}

#[test]
fn whoever_sends_much_pushes_out_nobody_who_sends_little() {
    let mut log = Log::new(1000);
    for n in 0..150 {
        log.take(1, &n.to_string(), "{}");
    }
    for n in 0..20_000 {
        log.take(2 + n % 20, &n.to_string(), "{}");
        assert!(log.repeats.entries <= 4 * 1000 + 1);
    }
    assert!((0..150).all(|n| log.is_known(1, &n.to_string())));
}

#[test]
fn more_users_than_are_told_apart_are_no_harm_to_those_who_are() {
    let mut log = Log::new(100_000);
    for uid in 0..10_000 {
        log.take(uid, "a", "{}");
    }
    assert_eq!(log.repeats.users.len(), MAX_USERS);
    assert!(log.is_known(0, "a") && !log.is_known(9_999, "a"));
}

#[test]
fn the_level_is_where_all_that_is_cut_is_cut_alike() {
    let level = |lengths: &[usize], most| super::level(lengths.iter().copied(), most);
    assert_eq!(level(&[5, 1, 9], 15), usize::MAX);
    assert_eq!(level(&[5, 1, 9], 14), 8);
    assert_eq!(level(&[5, 1, 9], 9), 4);
    assert_eq!(level(&[5, 1, 9], 2), 0);
    assert_eq!(level(&[], 0), usize::MAX);
}

#[test]
fn lines_beyond_the_32nd_bit_are_named_in_full() {
    let mut log = Log::new(10);
    log.next = (1 << 32) - 1;
    for n in 0..3 {
        assert_eq!(log.take(1, &n.to_string(), "{}"), ((1 << 32) - 1 + n, false));
    }
    log.next += 1_000_000_000;
    for n in 0..3 {
        assert_eq!(log.take(1, &n.to_string(), "{}"), ((1 << 32) - 1 + n, true));
    }
    log.next += 2_000_000_000;
    assert!(!log.take(1, "0", "{}").1);
}

/// What [`Repeats`] is to do, without its haste: the newest `window` of each user, eight texts an id.
#[derive(Default)]
struct Model(HashMap<u32, Vec<(String, String, u64)>>);

impl Model {
    fn take(&mut self, window: usize, event: (u32, &str, &str), next: u64) -> (u64, bool) {
        let (uid, id, text) = event;
        let known = self.0.entry(uid).or_default();
        let of_id = known.iter().rev().filter(|known| known.0 == id).take(8);
        if let Some(found) = of_id.into_iter().find(|known| known.1 == text) {
            return (found.2, true);
        }
        known.push((id.into(), text.into(), next));
        known.drain(..known.len().saturating_sub(window));
        (next, false)
    }
}

proptest::proptest! {
    #[test]
    fn it_does_what_a_simple_list_does(
        window in 1usize..40,
        events in proptest::collection::vec((0u32..3, 0u8..12, 0u8..12), 1..400),
    ) {
        let (mut log, mut model) = (Log::new(window), Model::default());
        for (uid, id, text) in events {
            let (id, text) = (id.to_string(), text.to_string());
            let expected = model.take(window, (uid, &id, &text), log.next);
            proptest::prop_assert_eq!(log.take(uid, &id, &text), expected);
        }
    }
}
