//! A leaf line: its bytes (docs/ledger-format.md, "Lines"), written and read.
//!
//! ```text
//! {"seq":7,"ts":"…","id":"…","peer":{…},"event":{…},"mac":"<64 hex>"}
//! {"seq":8,"ts":"…","id":"…","seal":{…},"mac":"<64 hex>"}
//!                                               └── tail, 74 bytes
//! ```

mod peek;

use std::sync::LazyLock;

use data_encoding::HEXLOWER;
use memchr::memmem;
use serde_json::value::RawValue;

use super::tree::Hash;
pub use peek::peek;

/// Bytes of `,"mac":"` + 64 hex digits + `"}`.
pub const TAIL: usize = 74;
/// The longest line, without its LF.
pub const MAX: usize = 65_535;

const MAC: &[u8] = br#","mac":""#;
/// Before an event. No JSON string holds it: its quotes would be escaped.
const EVENT: &[u8] = br#","event":"#;
/// What it takes to find that, made ready once: it is looked for in each line.
static BEFORE_EVENT: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(EVENT));

/// What a line carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// An event: the peer object and the event object, JSON texts.
    Event {
        /// Who wrote it, from the kernel.
        peer: &'a str,
        /// What it wrote.
        event: &'a str,
    },
    /// A seal object, JSON text.
    Seal(&'a str),
}

/// A line whose grammar is right; its mac and its place in the tree are for others to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The leaf's index.
    pub seq: u64,
    /// When it was committed, nanoseconds since 1970.
    pub ts_ns: i64,
    /// Its id, a JSON string with quotes.
    pub id: &'a str,
    /// What it carries.
    pub body: Body<'a>,
    /// Its mac.
    pub mac: Hash,
}

/// Why bytes are no line of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Over [`MAX`].
    #[error("the line is longer than 65535 bytes")]
    TooLong,
    /// Not text.
    #[error("the line is not UTF-8")]
    NotUtf8,
    /// The fixed parts are not where they have to be.
    #[error("the line does not have the form of a ledger line near its {0}")]
    Malformed(&'static str),
}

/// Appends all of a line up to its body: `{"seq":…,"ts":"…","id":…`; `id` is a JSON string.
fn begin(out: &mut Vec<u8>, seq: u64, ts: &str, id: &[u8]) {
    use std::io::Write;
    out.extend_from_slice(br#"{"seq":"#);
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{seq}");
    out.extend_from_slice(br#","ts":""#);
    out.extend_from_slice(ts.as_bytes());
    out.extend_from_slice(br#"","id":"#);
    out.extend_from_slice(id);
}

/// Appends an event line up to its tail; `ts` as [`crate::clock::rfc3339`] writes it.
pub fn push_event(out: &mut Vec<u8>, seq: u64, ts: &str, id: &[u8], peer: &str, event: &[u8]) {
    begin(out, seq, ts, id);
    out.extend_from_slice(br#","peer":"#);
    out.extend_from_slice(peer.as_bytes());
    out.extend_from_slice(br#","event":"#);
    out.extend_from_slice(event);
}

/// Appends a seal line up to its signature: `…,"seal":{` and the members in `open`, without the end.
pub fn push_seal(out: &mut Vec<u8>, seq: u64, ts: &str, id: &[u8], open: &str) {
    begin(out, seq, ts, id);
    out.extend_from_slice(br#","seal":"#);
    out.extend_from_slice(open.as_bytes());
}

/// Appends the tail.
pub fn push_tail(out: &mut Vec<u8>, mac: &Hash) -> [u8; 64] {
    let mut hex = [0; 64];
    HEXLOWER.encode_mut(mac, &mut hex);
    out.extend_from_slice(MAC);
    out.extend_from_slice(&hex);
    out.extend_from_slice(b"\"}");
    hex
}

/// The id that a line has when the client gave none: `"<first 12 hex of log_id>-<seq>"`, with quotes.
pub fn push_default_id(out: &mut Vec<u8>, log_id: &str, seq: u64) {
    use std::io::Write;
    let _ = write!(out, "\"{}-{seq}\"", &log_id[..12]);
}

/// Reads a line, given without its LF. The grammar is strict: the only freedom is inside `id`,
/// `peer`, `event` and `seal`, which are JSON values of the right type.
pub fn parse(bytes: &[u8]) -> Result<Line<'_>, LineError> {
    if bytes.len() > MAX {
        return Err(LineError::TooLong);
    }
    parse_text(std::str::from_utf8(bytes).map_err(|_| LineError::NotUtf8)?)
}

/// The same for text that is known to be UTF-8.
pub fn parse_text(text: &str) -> Result<Line<'_>, LineError> {
    if text.len() > MAX {
        return Err(LineError::TooLong);
    }
    let malformed = LineError::Malformed;
    let split = text.len().checked_sub(TAIL).ok_or(malformed("mac"))?;
    let (head, tail) = text.split_at_checked(split).ok_or(malformed("mac"))?;
    let mac = parse_tail(tail.as_bytes()).ok_or(malformed("mac"))?;

    let rest = head.strip_prefix(r#"{"seq":"#).ok_or(malformed("seq"))?;
    let (seq, rest) = parse_number(rest).ok_or(malformed("seq"))?;
    let rest = rest.strip_prefix(r#","ts":""#).ok_or(malformed("ts"))?;
    let (ts, rest) = rest.split_at_checked(30).ok_or(malformed("ts"))?;
    let ts_ns = crate::clock::parse_rfc3339(ts).ok_or(malformed("ts"))?;
    let rest = rest.strip_prefix(r#"","id":"#).ok_or(malformed("id"))?;
    let (id, rest) = value(rest, '"').ok_or(malformed("id"))?;
    let body = if let Some(rest) = rest.strip_prefix(r#","peer":"#) {
        let (peer, rest) = value(rest, '{').ok_or(malformed("peer"))?;
        let event = rest.strip_prefix(r#","event":"#).ok_or(malformed("event"))?;
        Body::Event { peer, event: whole(event).ok_or(malformed("event"))? }
    } else {
        let seal = rest.strip_prefix(r#","seal":"#).ok_or(malformed("peer or seal"))?;
        Body::Seal(whole(seal).ok_or(malformed("seal"))?)
    };
    Ok(Line { seq, ts_ns, id, body, mac })
}

/// The sequence number of what looks like a line, for finding one's way in a segment.
pub fn peek_seq(bytes: &[u8]) -> Option<u64> {
    let rest = bytes.strip_prefix(br#"{"seq":"#)?;
    let digits = rest.iter().position(|b| !b.is_ascii_digit())?;
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

/// When what looks like a line was committed, nanoseconds since 1970.
pub fn peek_ts(bytes: &[u8]) -> Option<i64> {
    let rest = bytes.strip_prefix(br#"{"seq":"#)?;
    let digits = rest.iter().position(|b| !b.is_ascii_digit())?;
    let ts = rest[digits..].strip_prefix(br#","ts":""#)?.get(..30)?;
    crate::clock::parse_rfc3339(std::str::from_utf8(ts).ok()?)
}

/// Whether what looks like a line is a seal's. Right for every line that [`parse`] takes.
pub fn peek_is_seal(bytes: &[u8]) -> bool {
    after_id(bytes).is_some_and(|rest| rest.starts_with(br#","seal":"#))
}

/// The peer and the event of what looks like an event's line, given without its LF: JSON texts. Right for every
/// line that [`parse`] takes and a daemon wrote: no member of its peers is called `event`.
pub fn peek_event(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = after_id(bytes)?.strip_prefix(br#","peer":"#)?;
    let at = BEFORE_EVENT.find(rest)?;
    let event = rest.get(at + EVENT.len()..rest.len().checked_sub(TAIL)?)?;
    Some((&rest[..at], event))
}

/// What follows the id of what looks like a line.
fn after_id(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(br#"{"seq":"#)?;
    let digits = rest.iter().position(|b| !b.is_ascii_digit())?;
    let rest = rest[digits..].strip_prefix(br#","ts":""#)?.get(30..)?;
    after_string(rest.strip_prefix(br#"","id":""#)?)
}

/// What follows the string in which `rest` begins, after its opening quote.
fn after_string(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let at = memchr::memchr2(b'"', b'\\', rest)?;
        match rest[at] {
            b'"' => return rest.get(at + 1..),
            _ => rest = rest.get(at + 2..)?,
        }
    }
}

fn parse_tail(tail: &[u8]) -> Option<Hash> {
    let hex = tail.strip_prefix(MAC)?.strip_suffix(b"\"}")?;
    let mut mac = [0; 32];
    HEXLOWER.decode_mut(hex, &mut mac).ok()?;
    Some(mac)
}

/// A decimal number without leading zeros, and what follows it.
fn parse_number(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().position(|b| !b.is_ascii_digit())?;
    let (number, rest) = text.split_at(digits);
    if number.len() > 1 && number.starts_with('0') {
        return None;
    }
    Some((number.parse().ok()?, rest))
}

/// The JSON value at the start of `text`, which must begin with `first`, and what follows it.
fn value(text: &str, first: char) -> Option<(&str, &str)> {
    if !text.starts_with(first) {
        return None;
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let value = values.next()?.ok()?;
    Some((value.get(), &text[value.get().len()..]))
}

/// `text` as one whole JSON object.
fn whole(text: &str) -> Option<&str> {
    let value: &RawValue = serde_json::from_str(text).ok()?;
    (text.starts_with('{') && value.get().len() == text.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TS: &str = "2026-11-21T01:23:45.123456789Z";

    fn event_line() -> Vec<u8> {
        let mut out = Vec::new();
        push_event(&mut out, 7, TS, br#""a\"b""#, r#"{"pid":1}"#, br#"{"x":[1, "}"]}"#);
        push_tail(&mut out, &[0xab; 32]);
        out
    }

    #[test]
    fn a_line_reads_back_as_it_was_written() {
        let bytes = event_line();
        let line = parse(&bytes).expect("parses");
        assert_eq!((line.seq, line.id, line.mac), (7, r#""a\"b""#, [0xab; 32]));
        assert_eq!(line.ts_ns, 1_795_224_225_123_456_789);
        let body = Body::Event { peer: r#"{"pid":1}"#, event: r#"{"x":[1, "}"]}"# };
        assert_eq!(line.body, body);
        assert_eq!((peek_seq(&bytes), peek_ts(&bytes)), (Some(7), Some(line.ts_ns)));
        assert!(!peek_is_seal(&bytes));
        let event = (&br#"{"pid":1}"#[..], &br#"{"x":[1, "}"]}"#[..]);
        assert_eq!(peek_event(&bytes), Some(event));
        assert_eq!(peek(&bytes), Some(line));
        let mut seal = Vec::new();
        push_seal(&mut seal, 7, TS, br#""\",\"peer\":\\""#, "{}");
        assert!(peek_is_seal(&seal));
        assert_eq!(peek_event(&seal), None);
    }

    #[test]
    fn anything_but_the_strict_form_is_refused() {
        let good = String::from_utf8(event_line()).expect("utf-8");
        let bad = [
            good.replace(r#"{"seq":7"#, r#"{"seq":07"#),
            good.replace(r#"{"seq":7"#, r#"{ "seq":7"#),
            good.replace(r#"{"seq":7"#, r#"{"seq":-7"#),
            good.replace(TS, "2026-11-21T01:23:45.123456Z"),
            good.replace(r#","event""#, r#","extra":1,"event""#),
            good.replace(r#""peer":{"pid":1}"#, r#""peer":null"#),
            good.replace(r#"{"x":[1, "}"]}"#, r#"{"x":[1, "}"]} "#),
            good.replace(r#"{"x":[1, "}"]}"#, r#"[1]"#),
            good.replace("abab", "ABAB"),
            good.replace(r#""mac""#, r#""mad""#),
            good[..60].to_owned(),
            String::new(),
        ];
        for line in bad {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
        assert_eq!(parse(&vec![b'x'; MAX + 1]), Err(LineError::TooLong));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = peek_seq(&bytes);
            let _ = peek_is_seal(&bytes);
            let _ = peek_event(&bytes);
            let _ = peek_ts(&bytes);
        }

        #[test]
        fn a_changed_byte_is_refused_or_reads_differently(at in 0usize..190, to: u8) {
            let good = event_line();
            let mut changed = good.clone();
            let at = at % good.len();
            changed[at] = to;
            if changed != good {
                proptest::prop_assert_ne!(parse(&changed).ok(), parse(&good).ok());
            }
        }
    }
}
