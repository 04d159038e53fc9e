//! What makes it safe to send an event twice: an `event_id`. Added where there is none, with the time, and nothing
//! that is there is changed.

use std::borrow::Cow;
use std::fmt;
use std::io;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};

use crate::clock::{Now, rfc3339};

/// Which of the members that matter here an event has. A name twice is an error: the daemon refuses such an event.
#[derive(Deserialize)]
struct Has {
    #[serde(default, deserialize_with = "there")]
    event_id: bool,
    #[serde(default, deserialize_with = "there")]
    timestamp: bool,
    #[serde(default, deserialize_with = "there")]
    ts: bool,
    #[serde(default, deserialize_with = "there")]
    time: bool,
}

/// Whatever the value is, `null` too: a second member of the name would not be accepted.
fn there<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

/// A UUID of version 7 (RFC 9562, section 5.7): milliseconds since 1970, then 74 random bits.
struct Uuid([u8; 16]);

impl Uuid {
    fn new(now: Now) -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        bytes[..6].copy_from_slice(&(now.wall_ns / 1_000_000).to_be_bytes()[2..]);
        bytes[6] = bytes[6] & 0x0f | 0x70;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            let dash = if matches!(n, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

/// The event with an `event_id` and a `timestamp` in front, each unless it has one (`ts` and `time` count as
/// one). What is no JSON object stays as it is: the daemon says why it refuses it.
///
/// # Errors
/// The system gives no random bytes.
pub(super) fn identify(event: &[u8], now: Now) -> io::Result<Cow<'_, [u8]>> {
    let Ok(has) = serde_json::from_slice::<Has>(event) else { return Ok(Cow::Borrowed(event)) };
    // An array can be read as a struct, too.
    let Some(rest) = event.strip_prefix(b"{") else { return Ok(Cow::Borrowed(event)) };
    let mut members = Vec::new();
    if !has.event_id {
        members.push(format!(r#""event_id":"{}""#, Uuid::new(now)?));
    }
    if !(has.timestamp || has.ts || has.time) {
        members.push(format!(r#""timestamp":"{}""#, rfc3339(now.wall_ns)));
    }
    if members.is_empty() {
        return Ok(Cow::Borrowed(event));
    }
    let empty = rest.trim_ascii_start().starts_with(b"}");
    let comma = if empty { "" } else { "," };
    Ok(Cow::Owned([format!("{{{}{comma}", members.join(",")).as_bytes(), rest].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    const NOW: Now = Now { wall_ns: 1_795_224_225_123_456_789, boot_ns: 0 };

    fn identified(event: &str) -> String {
        let bytes = identify(event.as_bytes(), NOW).expect("random bytes").into_owned();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn an_id_and_a_time_are_put_in_front_and_the_rest_stays_byte_for_byte() {
        for (event, rest) in [("{}", "}"), ("{ }", " }"), (r#"{"a": 1e400 }"#, r#","a": 1e400 }"#)]
        {
            let found = identified(event);
            assert!(found.ends_with(rest), "{found}");
            let id = found.strip_prefix(r#"{"event_id":""#).expect("an id").split('"').next();
            let id = id.expect("an id");
            // 1,795,224,225,123 ms in hex.
            assert_eq!((id.len(), &id[..15], id.matches('-').count()), (36, "01a1fbb3-c563-7", 4));
            let time = r#","timestamp":"2026-11-21T01:23:45.123456789Z""#;
            assert!(found.contains(time), "{found}");
        }
        assert_ne!(identified("{}"), identified("{}"));
    }

    #[test]
    fn what_the_user_gave_is_neither_changed_nor_doubled() {
        for event in [
            r#"{"event_id":"a","ts":1}"#,
            r#"{"time":null,"event_id":null}"#,
            r#"{"\u0065vent_id":"a","timestamp":"x"}"#,
            r#"{"event_id":"a","event_id":"b"}"#,
            "[]",
            "[true,true,true,true]",
            "{",
            "no JSON",
            "",
        ] {
            assert_eq!(identified(event), event);
        }
        let nested = identified(r#"{"data":{"event_id":"a"},"time":1}"#);
        assert!(
            nested.starts_with(r#"{"event_id":"0"#) && !nested.contains("timestamp"),
            "{nested}"
        );
    }

    proptest! {
        #[test]
        fn every_object_keeps_its_members_and_gets_an_id(
            members in proptest::collection::btree_map("[a-z_\"\\\\é]{0,9}", any::<i32>(), 0..6),
        ) {
            let event = serde_json::to_string(&members).expect("serializes");
            let mut found: Value = serde_json::from_str(&identified(&event)).expect("JSON");
            let object = found.as_object_mut().expect("an object");
            prop_assert!(object.remove("event_id").is_some());
            object.remove("timestamp");
            for (key, value) in members.iter().filter(|(key, _)| *key != "event_id") {
                prop_assert!(*key == "timestamp" || object[key] == *value);
            }
        }
    }
}
