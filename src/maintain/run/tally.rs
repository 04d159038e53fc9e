//! What a run has done so far, and what failed.

use crate::clock::Clock;
use crate::maintain::shared::Cause;
use crate::metrics::Failing;
use crate::record::{Maintained, Task};

/// Reasons and errors that a record names; of more, it says how many there are.
const MOST: usize = 20;
/// Bytes of one of them as JSON: all together have to fit into a line of the log.
const LONGEST: usize = 300;

/// The count of one run.
pub(super) struct Tally<'a> {
    /// What the record will say.
    pub done: Maintained,
    clock: &'a Clock,
    began: u64,
    failed: Failed,
    errors: usize,
}

/// Which tasks were tried, with the first error of each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Failed(Vec<(&'static str, Option<String>)>);

impl<'a> Tally<'a> {
    pub fn new(cause: Cause, clock: &'a Clock) -> Self {
        let done = Maintained { trigger: cause.trigger, uid: cause.uid, ..Maintained::default() };
        Self { done, clock, began: clock.now().boot_ns, failed: Failed::default(), errors: 0 }
    }

    /// A task begins, whose failures follow; CLOCK_BOOTTIME, for [`Tally::ms_since`].
    pub fn begin(&mut self, task: &'static str) -> u64 {
        self.failed.0.push((task, None));
        self.clock.now().boot_ns
    }

    /// Milliseconds since then.
    pub fn ms_since(&self, began: u64) -> u64 {
        self.clock.now().boot_ns.saturating_sub(began) / 1_000_000
    }

    /// What the task under way got, or nothing if that failed.
    pub fn get<T, E: std::fmt::Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|e| self.error(e)).ok()
    }

    /// Something of the task under way failed.
    pub fn error(&mut self, error: impl std::fmt::Display) {
        let error = error.to_string();
        let Some((name, first)) = self.failed.0.last_mut() else { return };
        tracing::warn!("maintenance could not {name}: {error}");
        let told = format!("{name}: {error}");
        first.get_or_insert(error);
        self.note(told);
    }

    /// Something was not done of which others say since when and why.
    pub fn note(&mut self, error: String) {
        self.errors += 1;
        if self.done.errors.len() < MOST {
            self.done.errors.push(cut(error));
        }
    }

    /// Something that has expired is kept.
    pub fn keep_back(&mut self, reasons: Vec<String>) {
        self.done.kept_back.extend(shortened(reasons));
    }

    /// The run is over.
    pub fn end(mut self) -> (Maintained, Failed) {
        let more = self.errors - self.done.errors.len();
        if more > 0 {
            self.done.errors.push(format!("and {more} more errors"));
        }
        self.done.duration_ms = self.ms_since(self.began);
        (self.done, self.failed)
    }
}

fn shortened(mut reasons: Vec<String>) -> Vec<String> {
    let more = reasons.len().saturating_sub(MOST);
    reasons.truncate(MOST);
    reasons = reasons.into_iter().map(cut).collect();
    if more > 0 {
        reasons.push(format!("and {more} more"));
    }
    reasons
}

/// A sentence, or its beginning if it is too long.
fn cut(mut sentence: String) -> String {
    let mut bytes = 0;
    let long = sentence.char_indices().find(|(_, c)| {
        // The most that one character becomes, twice for one beyond 16 bits.
        bytes += if matches!(c, ' ' | '!' | '#'..='[' | ']'..='~') { 1 } else { 6 * c.len_utf16() };
        bytes > LONGEST
    });
    if let Some((at, _)) = long {
        sentence.truncate(at);
        sentence.push('…');
    }
    sentence
}

impl Failed {
    /// Brings what was known of failures up to date: a task that was not tried stays as it was.
    pub fn merge_into(self, failing: &mut Vec<Failing>, now: &str) {
        for (task, error) in self.0 {
            let known = failing.iter().position(|known| known.task == task);
            match (error, known) {
                (Some(error), Some(at)) => failing[at].error = error,
                (Some(error), None) => {
                    failing.push(Failing { task: task.into(), since: now.into(), error });
                }
                (None, Some(at)) => drop(failing.remove(at)),
                (None, None) => {}
            }
        }
    }
}

/// Adds one thing and its bytes.
pub(super) fn add(task: &mut Task, bytes: u64) {
    task.count += 1;
    task.bytes += bytes;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Record;

    fn failing(list: &[Failing]) -> Vec<(&str, &str, &str)> {
        list.iter().map(|f| (&*f.task, &*f.since, &*f.error)).collect()
    }

    #[test]
    fn a_task_fails_since_its_first_failure_and_until_it_succeeds() {
        let mut known = Vec::new();
        let error = |text: &str| Some(text.to_owned());
        Failed(vec![("a", error("x")), ("b", None)]).merge_into(&mut known, "1");
        assert_eq!(failing(&known), [("a", "1", "x")]);
        Failed(vec![("a", error("y")), ("b", error("z"))]).merge_into(&mut known, "2");
        assert_eq!(failing(&known), [("a", "1", "y"), ("b", "2", "z")]);
        Failed(vec![("b", None)]).merge_into(&mut known, "3");
        assert_eq!(failing(&known), [("a", "1", "y")], "a was not tried");
    }

    #[test]
    fn a_record_names_some_errors_and_counts_the_rest() {
        let clock = Clock::System;
        let mut tally = Tally::new(Cause::default(), &clock);
        tally.begin("compress");
        (0..25).for_each(|n| tally.error(n));
        let (done, failed) = tally.end();
        assert_eq!(done.errors.len(), 21);
        assert_eq!((&*done.errors[0], &*done.errors[20]), ("compress: 0", "and 5 more errors"));
        assert_eq!(failed, Failed(vec![("compress", Some("0".into()))]));
    }

    #[test]
    fn long_reasons_and_errors_are_cut_so_that_the_record_stays_a_line() {
        let clock = Clock::System;
        let mut tally = Tally::new(Cause::default(), &clock);
        tally.begin("compress");
        for long in ["x", "\u{1}", "\"", "\u{2028}", "\u{10ffff}"] {
            (0..25).for_each(|_| tally.error(long.repeat(100_000)));
            tally.keep_back(vec![long.repeat(100_000); 25]);
            tally.keep_back(vec!["short".into()]);
            assert_eq!(tally.done.kept_back.pop().as_deref(), Some("short"));
            let (errors, kept_back) = (tally.done.errors.clone(), tally.done.kept_back.clone());
            let record = Record::Maintained(Box::new(Maintained {
                kept_back: [kept_back.clone(), kept_back].concat(),
                errors,
                ..Maintained::default()
            }));
            let len = record.to_json().len();
            assert!(len < 24 << 10, "{len}");
            (tally.done.errors, tally.done.kept_back) = Default::default();
        }
    }
}
