//! JSON strings as byte strings, and which keys were seen already.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserializer, Error, Visitor};

/// How many keys are compared one by one before a set is built.
const FEW: usize = 32;

/// The bytes that a JSON string (with its quotes) stands for. Escapes are resolved; a lone surrogate
/// becomes its three-byte form, so that any two spellings of one string are equal.
pub(super) fn string_bytes(raw: &str) -> Cow<'_, [u8]> {
    let inner = raw.as_bytes().get(1..raw.len().saturating_sub(1)).unwrap_or_default();
    if memchr::memchr(b'\\', inner).is_none() {
        return Cow::Borrowed(inner);
    }
    let unescaped = serde_json::Deserializer::from_str(raw).deserialize_bytes(Bytes);
    // `raw` was read as a string before, so this cannot fail; as it stands it is still itself.
    unescaped.map_or(Cow::Borrowed(inner), Cow::Owned)
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

/// The keys of one object. Objects of usual size cost no allocation, and huge ones no quadratic time.
pub(super) struct Keys<'a> {
    few: [&'a [u8]; FEW],
    len: usize,
    many: Option<HashSet<Cow<'a, [u8]>>>,
}

impl<'a> Keys<'a> {
    pub(super) fn new() -> Self {
        Self { few: [&[]; FEW], len: 0, many: None }
    }

    /// Adds a key; false if it was there.
    pub(super) fn insert(&mut self, key: Cow<'a, [u8]>) -> bool {
        if let Some(many) = &mut self.many {
            return many.insert(key);
        }
        if let (Cow::Borrowed(key), true) = (&key, self.len < FEW) {
            if self.few[..self.len].contains(key) {
                return false;
            }
            self.few[self.len] = key;
            self.len += 1;
            return true;
        }
        let mut many: HashSet<_> = self.few[..self.len].iter().map(|k| Cow::Borrowed(*k)).collect();
        let new = many.insert(key);
        self.many = Some(many);
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_of_a_key_are_one_key() {
        let mut keys = Keys::new();
        assert!(keys.insert(string_bytes(r#""ab""#)));
        assert!(!keys.insert(string_bytes(r#""\u0061b""#)));
        assert!(keys.insert(string_bytes(r#""\ud800""#)));
        assert!(!keys.insert(string_bytes(r#""\uD800""#)));
        assert!(!keys.insert(string_bytes(r#""ab""#)));
    }

    #[test]
    fn a_repeat_among_hundreds_of_keys_is_found() {
        let names: Vec<String> = (0..500).map(|i| format!("\"k{i}\"")).collect();
        let mut keys = Keys::new();
        assert!(names.iter().all(|name| keys.insert(string_bytes(name))));
        assert!(!names.iter().any(|name| keys.insert(string_bytes(name))));
    }
}
