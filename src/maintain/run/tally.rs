//! What a run has done so far, and what failed.

use crate::clock::Clock;
use crate::maintain::desk::Cause;
use crate::metrics::Failing;
use crate::record::{Maintained, Task};

/// Reasons and errors that a record names; of more, it says how many there are.
const MOST: usize = 20;

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

    /// Does a task and says how long it took; it reports its failures through the tally.
    pub fn task(&mut self, name: &'static str, task: impl FnOnce(&mut Self)) -> u64 {
        let began = self.clock.now().boot_ns;
        self.failed.0.push((name, None));
        task(self);
        (self.clock.now().boot_ns.saturating_sub(began)) / 1_000_000
    }

    /// Something of the task under way failed.
    pub fn error(&mut self, error: impl std::fmt::Display) {
        let error = error.to_string();
        let Some((name, first)) = self.failed.0.last_mut() else { return };
        tracing::warn!("maintenance could not {name}: {error}");
        self.errors += 1;
        if self.done.errors.len() < MOST {
            self.done.errors.push(format!("{name}: {error}"));
        }
        first.get_or_insert(error);
    }

    /// Something that has expired is kept.
    pub fn keep_back(&mut self, reasons: Vec<String>) {
        self.done.kept_back = shortened(reasons);
    }

    /// The run is over.
    pub fn end(mut self) -> (Maintained, Failed) {
        let more = self.errors - self.done.errors.len();
        if more > 0 {
            self.done.errors.push(format!("and {more} more errors"));
        }
        let ns = self.clock.now().boot_ns.saturating_sub(self.began);
        self.done.duration_ms = ns / 1_000_000;
        (self.done, self.failed)
    }
}

fn shortened(mut reasons: Vec<String>) -> Vec<String> {
    let more = reasons.len().saturating_sub(MOST);
    reasons.truncate(MOST);
    if more > 0 {
        reasons.push(format!("and {more} more"));
    }
    reasons
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
        tally.task("compress", |tally| (0..25).for_each(|n| tally.error(n)));
        let (done, failed) = tally.end();
        assert_eq!(done.errors.len(), 21);
        assert_eq!((&*done.errors[0], &*done.errors[20]), ("compress: 0", "and 5 more errors"));
        assert_eq!(failed, Failed(vec![("compress", Some("0".into()))]));
    }
}
