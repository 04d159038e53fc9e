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
    if !inner.contains(&b'\\') {
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

/// A number that nearly always differs where keys differ: comparing it first is much cheaper than
/// comparing the keys. Made from the length and the first and last eight bytes.
pub(super) fn fingerprint(key: &[u8]) -> u64 {
    let (first, last) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (key.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte)), 0),
    };
    first ^ last.rotate_left(31) ^ (key.len() as u64) << 56
}

/// The keys of one object. Objects of usual size cost no allocation, and huge ones no quadratic time.
pub(super) struct Keys<'a> {
    prints: [u64; FEW],
    few: [&'a [u8]; FEW],
    len: usize,
    many: Option<HashSet<Cow<'a, [u8]>>>,
}

impl<'a> Keys<'a> {
    pub(super) fn new() -> Self {
        Self { prints: [0; FEW], few: [&[]; FEW], len: 0, many: None }
    }

    /// Adds a key with its [`fingerprint`]; false if it was there.
    pub(super) fn insert(&mut self, key: Cow<'a, [u8]>, print: u64) -> bool {
        if self.many.is_none()
            && self.len < FEW
            && let Cow::Borrowed(key) = &key
        {
            return self.insert_few(key, print);
        }
        let few = &self.few[..self.len];
        let many = self.many.get_or_insert_with(|| few.iter().map(|k| Cow::Borrowed(*k)).collect());
        many.insert(key)
    }

    fn insert_few(&mut self, key: &'a [u8], print: u64) -> bool {
        let alike = self.prints[..self.len].iter().zip(&self.few).filter(|(p, _)| **p == print);
        if alike.into_iter().any(|(_, k)| *k == key) {
            return false;
        }
        self.prints[self.len] = print;
        self.few[self.len] = key;
        self.len += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert<'a>(keys: &mut Keys<'a>, raw: &'a str) -> bool {
        let key = string_bytes(raw);
        let print = fingerprint(&key);
        keys.insert(key, print)
    }

    #[test]
    fn two_spellings_of_a_key_are_one_key() {
        let mut keys = Keys::new();
        assert!(insert(&mut keys, r#""ab""#));
        assert!(!insert(&mut keys, r#""ab""#));
        assert!(!insert(&mut keys, r#""\u0061b""#));
        assert!(insert(&mut keys, r#""\ud800""#));
        assert!(!insert(&mut keys, r#""\uD800""#));
        assert!(!insert(&mut keys, r#""ab""#));
    }

    #[test]
    fn a_repeat_among_hundreds_of_keys_is_found() {
        let names: Vec<String> = (0..500).map(|i| format!("\"k{i}\"")).collect();
        let mut keys = Keys::new();
        assert!(names.iter().all(|name| insert(&mut keys, name)));
        assert!(!names.iter().any(|name| insert(&mut keys, name)));
    }

    #[test]
    fn keys_with_equal_fingerprints_stay_apart() {
        let (a, b) = ("\"firstpart-a-lastpart\"", "\"firstpart-b-lastpart\"");
        assert_eq!(fingerprint(&string_bytes(a)), fingerprint(&string_bytes(b)));
        let mut keys = Keys::new();
        assert!(insert(&mut keys, a) && insert(&mut keys, b) && !insert(&mut keys, a));
    }
}
