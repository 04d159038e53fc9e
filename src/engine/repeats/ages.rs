//! How old lines are, without a time for each: now and then it is noted which line was next.

use std::collections::VecDeque;

/// A window is known in so many steps: what it holds is remembered for up to one step longer.
const STEPS: i64 = 64;
const SECOND_NS: i64 = 1_000_000_000;

/// All times are CLOCK_BOOTTIME in nanoseconds, before the boot if below zero.
pub struct Ages {
    window_ns: i64,
    /// In the order of the log and of time.
    marks: VecDeque<Mark>,
    /// Since when lines were entered behind the last mark, and until when.
    open: Option<(i64, i64)>,
}

/// The lines below `before` are at least as old as `at_ns`.
struct Mark {
    before: u64,
    at_ns: i64,
}

impl Ages {
    /// For a window of so many seconds.
    pub fn new(seconds: u64) -> Self {
        let mut ages = Self { window_ns: 0, marks: VecDeque::new(), open: None };
        ages.set_window(seconds);
        ages
    }

    pub fn set_window(&mut self, seconds: u64) {
        self.window_ns = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND_NS);
    }

    /// Whether something of this age is outside of the window.
    pub fn is_over(&self, at_ns: i64, now_ns: i64) -> bool {
        at_ns.saturating_add(self.window_ns) <= now_ns
    }

    /// A line was entered.
    pub fn entered(&mut self, now_ns: i64) {
        let (_, until) = self.open.get_or_insert((now_ns, now_ns));
        *until = now_ns;
    }

    /// A line was entered that is older than all others.
    pub fn recalled(&mut self, seq: u64, at_ns: i64) {
        let step_ns = self.step_ns();
        if self.marks.front().is_none_or(|first| at_ns <= first.at_ns.saturating_sub(step_ns)) {
            self.marks.push_front(Mark { before: seq + 1, at_ns });
        }
    }

    /// The lines below this one are out of the window, where there is news of that; `next` is the next line.
    pub fn step(&mut self, now_ns: i64, next: u64) -> Option<u64> {
        if let Some((since, until)) = self.open
            && now_ns.saturating_sub(since) >= self.step_ns()
        {
            self.marks.push_back(Mark { before: next, at_ns: until });
            self.open = None;
        }
        let mut horizon = None;
        while let Some(mark) = self.marks.front()
            && self.is_over(mark.at_ns, now_ns)
        {
            horizon = Some(mark.before);
            self.marks.pop_front();
        }
        horizon
    }

    /// When some line is out of the window.
    pub fn due(&self) -> Option<i64> {
        let first = self.marks.front().map(|mark| mark.at_ns);
        let at_ns = first.or(self.open.map(|(_, until)| until))?;
        Some(at_ns.saturating_add(self.window_ns))
    }

    fn step_ns(&self) -> i64 {
        self.window_ns / STEPS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_out_of_the_window_not_before_its_time_and_at_most_a_step_after_it() {
        let mut ages = Ages::new(64);
        let second = |n: i64| n * SECOND_NS;
        let mut gone = 0;
        for now in 0..200 {
            // One line each half second of the first hundred.
            gone = ages.step(second(now), 2 * now.min(100) as u64).unwrap_or(gone);
            let (young, old) = (2 * (now - 63).clamp(0, 100), 2 * (now - 65).clamp(0, 100));
            assert!(gone as i64 <= young && gone as i64 >= old, "{gone} at {now}");
            if now < 100 {
                ages.entered(second(now));
            }
        }
        assert_eq!((gone, ages.due()), (200, None));
    }

    #[test]
    fn what_is_entered_last_falls_due_by_itself() {
        let mut ages = Ages::new(64);
        ages.entered(5);
        assert_eq!((ages.step(6, 1), ages.due()), (None, Some(5 + 64 * SECOND_NS)));
        assert_eq!(ages.step(5 + 64 * SECOND_NS - 1, 1), None);
        assert_eq!((ages.step(5 + 64 * SECOND_NS, 1), ages.due()), (Some(1), None));
    }

    #[test]
    fn lines_from_before_the_boot_have_their_age_too() {
        let mut ages = Ages::new(64);
        for (seq, at) in [(9, 3), (8, 3), (7, -20), (6, -20), (5, -60)] {
            ages.recalled(seq, at * SECOND_NS);
        }
        assert_eq!(ages.step(4 * SECOND_NS, 10), Some(6));
        assert_eq!(ages.step(43 * SECOND_NS, 10), None);
        assert_eq!(ages.step(44 * SECOND_NS, 10), Some(8));
        assert_eq!(ages.step(67 * SECOND_NS, 10), Some(10));
    }
}
