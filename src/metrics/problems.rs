//! What is wrong with the daemon or with what it works on, now: the one list that `auditlog status`, its `--check`
//! and the service manager's status line show.
//!
//! Whoever notices something says it in a line, `metrics.problems.say("index", Severity::Warning, error)`, as often as
//! it likes, and takes it back with `clear("index")`. A sentence has the form of this program's errors: what is wrong;
//! what to do about it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock};

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, rfc3339};

/// Things that can be wrong at once; what comes after them is left out.
const MOST: usize = 100;

/// How bad it is. The worse is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody should look at it; events are taken and stored.
    Warning,
    /// Events are refused, held up or at risk, or will be soon.
    Critical,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What it is about, the same word as long as it lasts: `index`.
    pub about: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, without what to do.
    pub what: String,
    /// What to do about it; null if there is nothing to be done, or nobody knows what.
    pub remedy: Option<String>,
    /// Since when it is so, RFC 3339.
    pub since: String,
}

impl Problem {
    /// One that is seen just now; of `sentence`, what follows the last semicolon is what to do.
    pub fn new(about: &str, severity: Severity, sentence: &str) -> Self {
        let (what, remedy) = match sentence.rsplit_once("; ") {
            Some((what, remedy)) => (what, Some(remedy.to_owned())),
            None => (sentence, None),
        };
        let since = rfc3339(Clock::System.now().wall_ns);
        Self { about: about.to_owned(), severity, what: what.to_owned(), remedy, since }
    }
}

/// The sentence.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.remedy {
            Some(remedy) => write!(f, "{}; {remedy}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Puts the worst first, and of those that are as bad the oldest.
pub fn worst_first(problems: &mut [Problem]) {
    problems.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.since.cmp(&b.since)));
}

/// The list.
#[derive(Default)]
pub struct Problems {
    now: Mutex<BTreeMap<Cow<'static, str>, Problem>>,
    on_change: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Problems {
    /// Says that something is wrong with `about`, in place of what was said of it before. Returns whether that is
    /// news.
    pub fn say(
        &self,
        about: impl Into<Cow<'static, str>>,
        severity: Severity,
        sentence: impl fmt::Display,
    ) -> bool {
        let about = about.into();
        let mut problem = Problem::new(&about, severity, &sentence.to_string());
        let mut now = self.lock();
        match now.get(&about) {
            Some(before) => problem.since.clone_from(&before.since),
            None if now.len() >= MOST => return false,
            None => {}
        }
        let news = now.get(&about) != Some(&problem);
        if news {
            now.insert(about, problem);
            drop(now);
            self.changed();
        }
        news
    }

    /// Says that nothing is wrong with `about`. Returns whether that is news.
    pub fn clear(&self, about: &str) -> bool {
        let news = self.lock().remove(about).is_some();
        if news {
            self.changed();
        }
        news
    }

    /// Either of both: what is wrong, or that nothing is.
    pub fn set(
        &self,
        about: impl Into<Cow<'static, str>>,
        severity: Severity,
        sentence: Option<impl fmt::Display>,
    ) -> bool {
        match sentence {
            Some(sentence) => self.say(about, severity, sentence),
            None => self.clear(&about.into()),
        }
    }

    /// All that is wrong, the worst first. That a disk is nearly full (`space`) is left out while it is full (`disk`).
    pub fn list(&self) -> Vec<Problem> {
        let now = self.lock();
        let full = now.contains_key("disk");
        let told = now.values().filter(|problem| !(full && problem.about == "space"));
        let mut list: Vec<_> = told.cloned().collect();
        drop(now);
        worst_first(&mut list);
        list
    }

    /// Lets this be called after each change, from whichever thread. It must not block; only the first one counts.
    pub fn on_change(&self, call: Box<dyn Fn() + Send + Sync>) {
        let _there_is_one_already = self.on_change.set(call);
    }

    fn changed(&self) {
        if let Some(call) = self.on_change.get() {
            call();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Cow<'static, str>, Problem>> {
        self.now.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl fmt::Debug for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::metrics::Counter;

    #[test]
    fn the_worst_comes_first_and_the_sentence_falls_into_what_and_what_to_do() {
        let problems = Problems::default();
        problems.say("a", Severity::Warning, "one; two; end it");
        problems.say("b", Severity::Critical, "lost");
        let list = problems.list();
        assert_eq!((list[0].about.as_str(), list[0].remedy.as_deref()), ("b", None));
        assert_eq!(
            (list[1].what.as_str(), list[1].remedy.as_deref()),
            ("one; two", Some("end it"))
        );
        assert_eq!(list[1].to_string(), "one; two; end it");
    }

    #[test]
    fn a_disk_that_is_full_is_not_said_to_be_nearly_full_too() {
        let problems = Problems::default();
        problems.say("space", Severity::Warning, "the disk is nearly full");
        problems.say("disk", Severity::Critical, "the disk is full");
        let told = || problems.list().into_iter().map(|p| p.what).collect::<Vec<_>>();
        assert_eq!(told(), ["the disk is full"]);
        problems.clear("disk");
        assert_eq!(told(), ["the disk is nearly full"]);
    }

    #[test]
    fn it_is_told_once_and_keeps_the_time_at_which_it_began() {
        let (problems, told) = (Problems::default(), Arc::new(Counter::default()));
        let count = told.clone();
        problems.on_change(Box::new(move || count.add(1)));
        assert!(problems.say("a", Severity::Warning, "1 is wrong"));
        let since = problems.list()[0].since.clone();
        assert!(!problems.say("a", Severity::Warning, "1 is wrong"));
        assert!(problems.say("a", Severity::Critical, "2 are wrong"));
        assert_eq!(problems.list()[0].since, since);
        assert!(problems.set("a", Severity::Critical, None::<&str>));
        assert!(!problems.clear("a"));
        assert_eq!((problems.list(), told.get()), (Vec::new(), 3));
    }

    #[test]
    fn there_is_an_end_to_what_can_be_wrong() {
        let problems = Problems::default();
        for n in 0..1000 {
            problems.say(format!("{n}"), Severity::Warning, "x");
        }
        assert_eq!(problems.list().len(), MOST);
    }
}
