//! How much an event matters when not all events can be stored.

/// Three classes of priorities. What the disk has no room for goes by them: low ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// `info` and `debug`.
    Low,
    /// `warning` and `notice`, and events without a priority.
    Normal,
    /// `error`, `critical`, `alert` and `emergency`.
    High,
}

impl Class {
    /// The class of a syslog severity, 0 (emergency) to 7 (debug).
    pub fn of(priority: Option<u8>) -> Self {
        match priority {
            Some(0..=3) => Class::High,
            Some(6..=7) => Class::Low,
            _ => Class::Normal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_that_says_nothing_is_neither_dropped_first_nor_kept_last() {
        let classes = [None, Some(0), Some(3), Some(4), Some(5), Some(6), Some(7)].map(Class::of);
        use Class::{High, Low, Normal};
        assert_eq!(classes, [Normal, High, High, Normal, Normal, Low, Low]);
    }
}
