//! Taking a line apart without checking its JSON, for whoever reads many that the daemon itself wrote.

use super::{BEFORE_EVENT, Body, EVENT, Line, TAIL, after_string, parse_number, parse_tail};

/// What looks like a line, given without its LF. The same as [`super::parse`] gives for every line that it takes and a
/// daemon wrote: no member of its peers is called `event`. Of anything else it may give any part.
pub fn peek(bytes: &[u8]) -> Option<Line<'_>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (head, tail) = text.split_at_checked(text.len().checked_sub(TAIL)?)?;
    let mac = parse_tail(tail.as_bytes())?;
    let (seq, rest) = parse_number(head.strip_prefix(r#"{"seq":"#)?)?;
    let (ts, rest) = rest.strip_prefix(r#","ts":""#)?.split_at_checked(30)?;
    let ts_ns = crate::clock::parse_rfc3339(ts)?;
    let rest = rest.strip_prefix(r#"","id":"#)?;
    let behind = after_string(rest.as_bytes().strip_prefix(b"\"")?)?.len();
    let (id, rest) = rest.split_at_checked(rest.len() - behind)?;
    let body = match rest.strip_prefix(r#","seal":"#) {
        Some(seal) => Body::Seal(seal),
        None => {
            let rest = rest.strip_prefix(r#","peer":"#)?;
            let at = BEFORE_EVENT.find(rest.as_bytes())?;
            Body::Event { peer: rest.get(..at)?, event: rest.get(at + EVENT.len()..)? }
        }
    };
    Some(Line { seq, ts_ns, id, body, mac })
}

#[cfg(test)]
mod tests {
    use super::super::{parse, push_event, push_seal, push_tail};
    use super::*;

    fn line(id: &str, event: &str) -> Vec<u8> {
        let peer = r#"{"pid":1,"uid":0,"gid":0,"unit":"\",\"event\":{","exe":null}"#;
        let mut text = Vec::new();
        push_event(
            &mut text,
            7,
            "2026-11-21T01:23:45.123456789Z",
            id.as_bytes(),
            peer,
            event.as_bytes(),
        );
        push_tail(&mut text, &[9; 32]);
        text
    }

    #[test]
    fn a_line_is_taken_apart_as_parse_does() {
        for id in [r#""a""#, r#""""#, r#""\"\\""#, r#""\",\"peer\":""#, r#""é""#] {
            for event in ["{}", r#"{"peer":{},"event":{"a":1},"mac":""}"#] {
                let text = line(id, event);
                assert_eq!(peek(&text), parse(&text).ok(), "{id} {event}");
                assert!(peek(&text).is_some());
            }
        }
        let mut seal = Vec::new();
        push_seal(&mut seal, 8, "2026-11-21T01:23:45.123456789Z", br#""b""#, r#"{"epoch":1}"#);
        push_tail(&mut seal, &[0; 32]);
        assert_eq!(peek(&seal), parse(&seal).ok());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, id: String, cut in 0usize..200) {
            let whole = line(&id, "{}");
            let cut = &whole[..cut.min(whole.len())];
            for bytes in [&bytes[..], &whole, cut, &[cut, &bytes[..]].concat()] {
                let _any_of_it = peek(bytes);
            }
        }
    }
}
