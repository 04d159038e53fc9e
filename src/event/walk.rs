//! One pass over an event's text: keys on the way of a pointer are followed, others skipped.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::keys::{Keys, fingerprint, string_bytes};
use super::map::Node;
use super::reject::{Reject, RejectCode};
use super::{Column, Event, FieldMap, Outcome, value};

/// A column's rank before anything was found.
const NOTHING: u16 = u16::MAX;

/// Whether an `event_type` is one of the daemon's own, in any letter case.
fn is_reserved(event_type: &[u8]) -> bool {
    const START: &[u8] = b"auditlogd.";
    event_type.get(..START.len()).is_some_and(|start| start.eq_ignore_ascii_case(START))
}

/// What is known so far.
pub(super) struct Walk<'a, 'm> {
    text: &'a str,
    map: &'m FieldMap,
    event: Event<'a>,
    /// For each column the rank of the pointer that its value came from.
    ranks: [u16; Column::ALL.len()],
    /// Bit n: a member for column n was there.
    present: u16,
    failure: bool,
    duplicate: Option<Cow<'a, [u8]>>,
}

impl<'a, 'm> Walk<'a, 'm> {
    pub(super) fn new(text: &'a str, map: &'m FieldMap) -> Self {
        Self {
            text,
            map,
            event: Event::default(),
            ranks: [NOTHING; Column::ALL.len()],
            present: 0,
            failure: false,
            duplicate: None,
        }
    }

    /// Reads the text, which starts with `{` after white space. The outer error is a syntax error.
    pub(super) fn run(mut self) -> Result<Result<Event<'a>, Reject>, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_str(self.text);
        let node = &self.map.root;
        json.deserialize_map(Object { walk: &mut self, node, keys: Some(Keys::new()) })?;
        json.end()?;
        Ok(self.finish())
    }

    fn finish(mut self) -> Result<Event<'a>, Reject> {
        if let Some(key) = self.duplicate {
            let key: String = String::from_utf8_lossy(&key).chars().take(64).collect();
            let message = format!("the key {key:?} stands twice at the top level");
            return Err(Reject::new(RejectCode::DuplicateKey, message));
        }
        if self.event.outcome.is_none() && self.map.failure_rule {
            let outcome = if self.failure { Outcome::Failure } else { Outcome::Success };
            self.event.outcome = Some(outcome);
            self.ranks[Column::Outcome as usize] = 0;
        }
        let found = self.ranks.iter().enumerate().filter(|(_, rank)| **rank != NOTHING);
        let found = found.fold(0u16, |bits, (i, _)| bits | 1 << i);
        self.event.mistyped = (self.present & !found).count_ones();
        let mapped = self.event.event_type.as_deref().unwrap_or_default();
        self.event.reserved |= is_reserved(mapped.as_bytes());
        Ok(self.event)
    }

    /// Takes the value at a node that some pointer leads to.
    fn take(&mut self, node: &'m Node, raw: &'a str) -> Result<(), serde_json::Error> {
        let first = raw.as_bytes().first();
        match first {
            Some(b'{') => {
                self.pass(node);
                if node.has_children() {
                    let mut json = serde_json::Deserializer::from_str(raw);
                    json.deserialize_map(Object { walk: self, node, keys: None })?;
                }
            }
            Some(b'[') => {
                self.pass(node);
                if node.indexes {
                    let mut json = serde_json::Deserializer::from_str(raw);
                    json.deserialize_seq(Array { walk: self, node })?;
                }
            }
            _ if raw == "null" => {}
            _ => self.take_scalar(node, raw),
        }
        Ok(())
    }

    /// Notes that an object or array is where a value could have been.
    fn pass(&mut self, node: &Node) {
        for (column, _) in &node.captures {
            self.present |= 1 << *column as u16;
        }
        self.failure |= node.failure;
    }

    fn take_scalar(&mut self, node: &Node, raw: &'a str) {
        if node.reserved && raw.starts_with('"') {
            self.event.reserved |= is_reserved(&string_bytes(raw));
        }
        self.failure |= node.failure && !matches!(raw, "false" | "\"\"");
        for (column, rank) in &node.captures {
            self.present |= 1 << *column as u16;
            let best = &mut self.ranks[*column as usize];
            if *rank < *best && value::store(&mut self.event, *column, raw) {
                *best = *rank;
            }
        }
    }

    /// The first byte of the value that follows a key.
    fn first_byte_after(&self, key: &str) -> Option<u8> {
        let end = key.as_ptr() as usize + key.len() - self.text.as_ptr() as usize;
        let rest = self.text.as_bytes().get(end..)?;
        rest.iter().copied().find(|b| !matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b':'))
    }
}

/// An object whose members may be on the way of a pointer.
struct Object<'w, 'a, 'm> {
    walk: &'w mut Walk<'a, 'm>,
    node: &'m Node,
    /// The keys so far, where repeats matter.
    keys: Option<Keys<'a>>,
}

impl<'a> Visitor<'a> for Object<'_, 'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut members: A) -> Result<(), A::Error> {
        // Raw keys: a key with a lone surrogate is no text, and still valid JSON.
        while let Some(key) = members.next_key::<&'a RawValue>()? {
            let name = string_bytes(key.get());
            let print = fingerprint(&name);
            if let Some(keys) = &mut self.keys
                && !keys.insert(name.clone(), print)
            {
                self.walk.duplicate.get_or_insert_with(|| name.clone());
            }
            match self.node.child(&name, print) {
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
                Some(node) => {
                    let enter =
                        node.has_children() && self.walk.first_byte_after(key.get()) == Some(b'{');
                    members.next_value_seed(Member { walk: self.walk, node, enter })?;
                }
            }
        }
        Ok(())
    }
}

/// The value of a member that a pointer leads to or through.
struct Member<'w, 'a, 'm> {
    walk: &'w mut Walk<'a, 'm>,
    node: &'m Node,
    /// Whether the value is an object with members to look for.
    enter: bool,
}

impl<'a> DeserializeSeed<'a> for Member<'_, 'a, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, value: D) -> Result<(), D::Error> {
        if self.enter {
            self.walk.pass(self.node);
            return value.deserialize_map(Object { walk: self.walk, node: self.node, keys: None });
        }
        let raw = <&'a RawValue>::deserialize(value)?;
        self.walk.take(self.node, raw.get()).map_err(D::Error::custom)
    }
}

/// An array that a pointer leads into.
struct Array<'w, 'a, 'm> {
    walk: &'w mut Walk<'a, 'm>,
    node: &'m Node,
}

impl<'a> Visitor<'a> for Array<'_, 'a, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        let mut index = 0usize;
        while let Some(raw) = elements.next_element::<&'a RawValue>()? {
            let key = index.to_string();
            if let Some(node) = self.node.child(key.as_bytes(), fingerprint(key.as_bytes())) {
                self.walk.take(node, raw.get()).map_err(A::Error::custom)?;
            }
            index += 1;
        }
        Ok(())
    }
}
