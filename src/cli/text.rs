//! Stored text made safe to show: nothing that a sender wrote may steer the terminal it is read on.

use std::borrow::Cow;
use std::fmt::Write;

/// Text for people: what could move the cursor, colour, hide or reorder what follows appears as a
/// visible escape (`\n`, `\u001b`).
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    escape(text, is_unsafe)
}

/// JSON text for a terminal: the same characters as JSON escapes, so that it stays valid and keeps its
/// value. Tabs, which may stand between tokens, stay.
pub(super) fn visible_json(json: &str) -> Cow<'_, str> {
    escape(json, |c| c != '\t' && is_unsafe(c))
}

fn escape(text: &str, is_unsafe: impl Fn(char) -> bool) -> Cow<'_, str> {
    if text.bytes().all(|b| (b' '..0x7f).contains(&b)) || !text.contains(&is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 32);
    for c in text.chars() {
        match c {
            c if !is_unsafe(c) => out.push(c),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => push_units(&mut out, c),
        }
    }
    Cow::Owned(out)
}

fn push_units(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

/// Controls, line separators, direction marks, and characters that show nothing at all. Joiners stay:
/// some scripts need them.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// JSON text over several lines, two spaces a level, its tokens byte for byte as they are: numbers keep
/// their digits and objects their order. Text that is not JSON comes out as some text, never as an error.
pub(super) fn pretty_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut rest = json.trim_start();
    while let Some(c) = rest.chars().next() {
        let token = match c {
            '"' => string_len(rest),
            _ => c.len_utf8(),
        };
        match c {
            '{' | '[' if closes(&rest[1..]).is_some() => {
                let inner = closes(&rest[1..]).unwrap_or(0);
                out.extend([c, if c == '{' { '}' } else { ']' }]);
                rest = rest[1 + inner + 1..].trim_start();
                continue;
            }
            '{' | '[' => {
                depth += 1;
                out.push(c);
                new_line(&mut out, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(c);
            }
            ',' => {
                out.push(c);
                new_line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ => out.push_str(&visible_json(&rest[..token])),
        }
        rest = rest[token..].trim_start();
    }
    out
}

/// How many blanks stand before the bracket that closes an empty object or array at once.
fn closes(rest: &str) -> Option<usize> {
    let inner = rest.trim_start();
    inner.starts_with(['}', ']']).then(|| rest.len() - inner.len())
}

fn new_line(out: &mut String, depth: usize) {
    // A tampered row can hold anything: its indentation must not eat the memory.
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth.min(64)));
}

/// Bytes of the JSON string that `text` starts with, quotes included.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (i, b) in text.bytes().enumerate().skip(1) {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return i + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn terminal_escapes_and_direction_marks_become_visible() {
        let text = "a\u{1b}[2J\nb\u{9b}31m\u{7f}\u{202e}c\u{e0041}\u{2028}";
        let want = r"a\u001b[2J\nb\u009b31m\u007f\u202ec\udb40\udc41\u2028";
        assert_eq!(visible(text), want);
    }

    #[test]
    fn text_of_any_script_stays_as_it_is() {
        for text in ["zoë añadió «x»", "監査ログ", "می\u{200c}خواهم", "👩\u{200d}💻", r"C:\temp"]
        {
            assert_eq!(visible(text), text);
        }
    }

    #[test]
    fn pretty_json_keeps_digits_order_and_duplicates() {
        let json = r#"{"b":1.00,"a":[],"o":{ },"s":"x, {y}: \" ","n":[1, {"b":1e400}]}"#;
        let want = "{\n  \"b\": 1.00,\n  \"a\": [],\n  \"o\": {},\n  \"s\": \"x, {y}: \\\" \",\n  \
                    \"n\": [\n    1,\n    {\n      \"b\": 1e400\n    }\n  ]\n}";
        assert_eq!(pretty_json(json), want);
    }

    proptest! {
        #[test]
        fn nothing_unsafe_survives(text: String) {
            prop_assert!(!visible(&text).contains(is_unsafe));
            prop_assert!(!pretty_json(&text).contains(|c| c != '\n' && c != '\t' && is_unsafe(c)));
        }

        #[test]
        fn json_keeps_its_value(text: String) {
            let json = serde_json::to_string(&[&text]).unwrap();
            for shown in [visible_json(&json).into_owned(), pretty_json(&json)] {
                prop_assert_eq!(&serde_json::from_str::<[String; 1]>(&shown).unwrap()[0], &text);
            }
        }
    }
}
