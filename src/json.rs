//! The few things done to JSON text by hand: writing a string, and making a text safe to stand on
//! one line. There is no canonical JSON anywhere.

use std::borrow::Cow;

/// Appends `text` as a JSON string with its quotes. C0 and C1 controls, DEL, U+2028 and U+2029 become
/// `\u` escapes, so that no tool that splits lines or draws a terminal can be fooled.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for c in text.chars() {
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            c if c < ' ' || ('\u{7f}'..='\u{9f}').contains(&c) || is_line_separator(c) => {
                push_escape(out, c)
            }
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

/// A valid JSON text as it may stand inside a ledger line: C1 controls, U+2028 and U+2029, which
/// JSON allows only inside strings, become `\u` escapes; CR, which it allows only between tokens, becomes a
/// space. Anything else stays byte for byte; nearly every text is borrowed unchanged.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if memchr::memchr3(b'\r', 0xc2, 0xe2, text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let unsafe_char = |c| c == '\r' || ('\u{80}'..='\u{9f}').contains(&c) || is_line_separator(c);
    if !text.contains(unsafe_char) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len() + 64);
    for c in text.chars() {
        match c {
            '\r' => out.push(b' '),
            c if unsafe_char(c) => push_escape(&mut out, c),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(String::from_utf8_lossy(&out).into_owned())
}

fn is_line_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

fn push_escape(out: &mut Vec<u8>, c: char) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let code = c as usize;
    out.extend_from_slice(b"\\u");
    for shift in [12, 8, 4, 0] {
        out.push(HEX[(code >> shift) & 15]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_string_reads_back_as_it_was(text: String) {
            let mut out = Vec::new();
            push_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).expect("valid json"), text);
        }

        #[test]
        fn one_line_keeps_the_value_and_leaves_no_line_break(text: String) {
            let json = format!("[\r{}]", serde_json::to_string(&text).expect("serializes"));
            let safe = one_line(&json);
            prop_assert_eq!(&serde_json::from_str::<[String; 1]>(&safe).expect("valid json")[0], &text);
            let broken = safe.contains(['\r', '\n', '\u{85}', '\u{2028}', '\u{2029}']);
            prop_assert!(!broken, "{}", safe);
        }
    }
}
