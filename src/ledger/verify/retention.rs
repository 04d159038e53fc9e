//! What the log says of how long events are kept: the check of the database needs it, where each row goes by its
//! own rule.

use std::collections::HashMap;

/// Distinct sets of rules that are remembered. A text is no longer than a line of the log, which is 64 KiB.
const MOST: usize = 1000;

/// The rules of retention that the log names, each with the time of the last record that does. Of very many those
/// that were named last are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    named: HashMap<String, i64>,
}

impl Retention {
    pub(super) fn name(&mut self, definition: &str, ts_ns: i64) {
        if let Some(last) = self.named.get_mut(definition) {
            *last = ts_ns.max(*last);
            return;
        }
        if self.named.len() == MOST
            && let Some(oldest) = self.named.iter().min_by_key(|(_, last)| **last)
        {
            let oldest = oldest.0.clone();
            self.named.remove(&oldest);
        }
        self.named.insert(definition.to_owned(), ts_ns);
    }

    /// The texts ([`crate::retention::Rules::definition`]), each with when it was named last, nanoseconds since
    /// 1970.
    pub fn named(&self) -> impl Iterator<Item = (&str, i64)> {
        self.named.iter().map(|(definition, last)| (&definition[..], *last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_naming_of_each_counts_and_of_too_many_the_oldest_are_forgotten() {
        let mut retention = Retention::default();
        for (n, ts_ns) in [("a", 5), ("b", 7), ("a", 9), ("a", 8)] {
            retention.name(n, ts_ns);
        }
        let mut named: Vec<_> = retention.named().collect();
        named.sort_unstable();
        assert_eq!(named, [("a", 9), ("b", 7)]);
        (0..MOST).for_each(|n| retention.name(&n.to_string(), 100 + n as i64));
        assert_eq!(retention.named().count(), MOST);
        assert!(retention.named().all(|(_, last)| last >= 100));
    }
}
