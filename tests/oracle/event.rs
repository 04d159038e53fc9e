//! The events of the oracle: a producer and a number give the same bytes each time, so that what is stored can be
//! compared without keeping what was sent.

use fastrand::Rng;

/// Which event: its producer, and its number there.
pub type Id = (u64, u64);

/// The client's event, without its LF.
pub fn text(seed: u64, (producer, n): Id) -> String {
    let mut rng = Rng::with_seed(seed ^ (producer << 48) ^ n);
    // Now and then a long one; some characters are escaped, some have many bytes.
    let len = if rng.u8(..) == 0 { rng.usize(1_000..20_000) } else { rng.usize(0..200) };
    let mut pad = String::with_capacity(len * 2);
    for _ in 0..len {
        match rng.u8(..64) {
            0 => pad.push_str("\\n"),
            1 => pad.push_str("\\u20ac"),
            2 => pad.push('ü'),
            3 => pad.push('💾'),
            _ => pad.push(rng.alphanumeric()),
        }
    }
    format!(
        "{{\"event_type\":\"oracle\",\"event_id\":\"{}\",\"pad\":\"{pad}\"}}",
        name((producer, n))
    )
}

/// The `event_id` of an event.
pub fn name((producer, n): Id) -> String {
    format!("oracle-{producer}-{n}")
}

/// The event that an id of the ledger, JSON text, names.
pub fn named(id: &str) -> Option<Id> {
    let (producer, n) = id.strip_prefix("\"oracle-")?.strip_suffix('"')?.split_once('-')?;
    Some((producer.parse().ok()?, n.parse().ok()?))
}
