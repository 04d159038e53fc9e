//! Audit events as applications write them: twelve types, a thousand actors, 350 to 450 bytes each.

use fastrand::Rng;

/// What each type of event says of itself: type, source, action, target, priority, and the members of its own.
type Kind = (&'static str, &'static str, &'static str, &'static str, &'static str, Details);
type Details = fn(&mut Rng) -> String;

const KINDS: [Kind; 12] = [
    ("auth.login", "sso", "logged in with a passkey", "realm/staff", "info", |rng| {
        format!(r#"{{"method":"passkey","mfa":{},"device":"{}"}}"#, rng.bool(), device(rng))
    }),
    ("auth.logout", "sso", "logged out", "realm/staff", "info", |rng| {
        format!(r#"{{"after_seconds":{},"forced":false}}"#, rng.u32(20..30_000))
    }),
    ("auth.failed", "sso", "gave a wrong password", "realm/staff", "warning", |rng| {
        format!(r#"{{"method":"password","attempt":{},"locked":false}}"#, rng.u32(1..5))
    }),
    ("file.read", "files", "opened a document", "document", "info", |rng| {
        format!(r#"{{"bytes":{},"version":{}}}"#, rng.u32(200..4_000_000), rng.u32(1..40))
    }),
    ("file.changed", "files", "saved a document", "document", "notice", |rng| {
        format!(r#"{{"bytes":{},"fields":["title","body"]}}"#, rng.u32(200..4_000_000))
    }),
    ("record.viewed", "patients", "looked at a record", "record", "info", |rng| {
        format!(r#"{{"sections":["history","labs"],"reason":"{}"}}"#, word(rng))
    }),
    ("order.updated", "shop", "changed an order", "order", "info", |rng| {
        let (before, after) = (rng.u32(100..90_000), rng.u32(100..90_000));
        format!(r#"{{"before":{{"amount":{before}}},"after":{{"amount":{after}}}}}"#)
    }),
    ("payment.captured", "billing", "captured a payment", "payment", "notice", |rng| {
        format!(r#"{{"amount":{}.{:02},"currency":"EUR"}}"#, rng.u32(1..9_000), rng.u32(0..100))
    }),
    ("access.granted", "iam", "granted a role", "role", "warning", |rng| {
        format!(r#"{{"role":"{}","expires":null,"approved_by":"u-{:04}"}}"#, word(rng), actor(rng))
    }),
    ("access.denied", "gateway", "asked for more than it may", "route", "err", |rng| {
        format!(r#"{{"status":403,"policy":"{}-{}"}}"#, word(rng), rng.u32(1..30))
    }),
    ("config.changed", "deploy", "changed a setting", "setting", "notice", |rng| {
        format!(r#"{{"old":"{}","new":"{}","dry_run":false}}"#, word(rng), word(rng))
    }),
    ("export.created", "reports", "exported a report", "report", "info", |rng| {
        format!(r#"{{"rows":{},"format":"csv"}}"#, rng.u32(10..200_000))
    }),
];

const WORDS: [&str; 24] = [
    "standard",
    "quarterly",
    "review",
    "follow-up",
    "requested",
    "by",
    "the",
    "customer",
    "after",
    "call",
    "ticket",
    "merged",
    "with",
    "earlier",
    "case",
    "on",
    "behalf",
    "of",
    "support",
    "team",
    "routine",
    "check",
    "approved",
    "pending",
];
const DEVICES: [&str; 4] = ["laptop", "phone", "tablet", "kiosk"];
/// How long an event is, without its LF.
const LENGTHS: std::ops::RangeInclusive<usize> = 350..=450;
/// Sessions that are open at a time.
const SESSIONS: u32 = 20_000;
/// Hex digits in each event that are another in each round.
const DIGITS: usize = 8;

fn actor(rng: &mut Rng) -> u32 {
    rng.u32(0..1_000)
}

fn word(rng: &mut Rng) -> &'static str {
    WORDS[rng.usize(..WORDS.len())]
}

fn device(rng: &mut Rng) -> &'static str {
    DEVICES[rng.usize(..DEVICES.len())]
}

/// Endlessly many events, made beforehand: so many different ones, and in each round of them another correlation id
/// in each.
pub struct Events {
    text: Vec<u8>,
    places: Vec<Place>,
    next: usize,
    round: u32,
}

/// Where an event is in the text.
struct Place {
    start: usize,
    /// Of the digits that differ from round to round.
    digits: usize,
}

impl Events {
    /// So many different ones; `seed` makes them others.
    pub fn new(seed: u64, different: usize) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (mut text, mut places) = (Vec::with_capacity(different * 410), Vec::new());
        for number in 0..different {
            let event = event(&mut rng, number);
            assert!(LENGTHS.contains(&event.len()), "{event}");
            let id = event.find(CORRELATION).expect("each has one") + CORRELATION.len();
            places.push(Place { start: text.len(), digits: text.len() + id });
            text.extend_from_slice(event.as_bytes());
            text.push(b'\n');
        }
        Self { text, places, next: 0, round: 0 }
    }

    /// The next events, one a line, and their number: as many as fit into so many bytes, but at least one, and at
    /// most `most`.
    pub fn take(&mut self, bytes: usize, most: u64) -> (&[u8], u64) {
        if self.next == self.places.len() {
            self.begin_round();
        }
        let first = self.next;
        let start = self.places[first].start;
        let mut end = start;
        while self.next < self.places.len() && ((self.next - first) as u64) < most {
            let further = self.places.get(self.next + 1).map_or(self.text.len(), |p| p.start);
            if self.next > first && further - start > bytes {
                break;
            }
            (self.next, end) = (self.next + 1, further);
        }
        (&self.text[start..end], (self.next - first) as u64)
    }

    fn begin_round(&mut self) {
        (self.next, self.round) = (0, self.round + 1);
        let digits = format!("{:0DIGITS$x}", self.round);
        for place in &self.places {
            self.text[place.digits..place.digits + DIGITS].copy_from_slice(digits.as_bytes());
        }
    }
}

const CORRELATION: &str = r#""correlation_id":""#;

/// One event, without its LF.
fn event(rng: &mut Rng, number: usize) -> String {
    let (event_type, source, action, target, priority, details) = KINDS[rng.usize(..KINDS.len())];
    let outcome = if rng.u8(0..20) == 0 { "failure" } else { "success" };
    let (actor, session) = (actor(rng), rng.u32(0..SESSIONS));
    let (second, nano) = (number / 1_000 % 60, rng.u32(0..1_000_000));
    let mut event = format!(
        r#"{{"event_type":"{event_type}","timestamp":"2026-11-21T10:15:{second:02}.{nano:06}Z","priority":"{priority}","source":"{source}","actor":"u-{actor:04}@example.org","action":"{action}","outcome":"{outcome}","target":"{target}/{}","client_ip":"192.0.2.{}","session_id":"s-{:08x}",{CORRELATION}{:0DIGITS$x}{:016x}","duration_ms":{}.{},"details":{}"#,
        rng.u32(1..500_000),
        actor % 254 + 1,
        session.wrapping_mul(2_654_435_761),
        0,
        rng.u64(..),
        rng.u32(0..900),
        rng.u32(0..10),
        details(rng),
    );
    let wanted = rng.usize(LENGTHS);
    event.push_str(r#","note":""#);
    while event.len() + 2 < wanted {
        let room = wanted - 2 - event.len();
        let word = word(rng);
        event.push_str(&word[..word.len().min(room)]);
        if event.len() + 2 < wanted {
            event.push(' ');
        }
    }
    event.push_str(r#""}"#);
    event
}
