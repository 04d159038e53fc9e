//! The tasks that delete. When in doubt nothing is deleted, and it is said why.

use std::cell::Cell;
use std::ops::Range;

use super::record_naming_rules;
use super::tasks::Tasks;
use crate::engine::PruneRows;
use crate::maintain::decide::Basis;
use crate::maintain::plan::Plan;
use crate::maintain::prune::{PruneError, Pruning, prune};
use crate::maintain::{holds::Holds, space};
use crate::record::Maintained;
use crate::retention::Hold;
use crate::words::count;

impl Tasks<'_> {
    /// Segments, then rows of the database.
    pub(super) fn delete(&mut self) {
        let (mut holds, mut gone) = (None, Vec::new());
        self.tally.done.pruned.ms = self.timed("delete segments", |tasks| {
            holds = tasks.holds();
            gone = holds.as_ref().and_then(|holds| tasks.segments(holds)).unwrap_or_default();
        });
        // Without the holds nobody knows what must stay.
        let Some(holds) = holds else { return };
        self.tally.done.rows.ms = self.timed("delete rows", |tasks| {
            if let Some(named_ns) = tasks.name_rules() {
                tasks.rows(holds, gone, named_ns);
            }
        });
    }

    fn holds(&mut self) -> Option<Vec<Hold>> {
        let Self { setup, tally, known_holds, .. } = self;
        let state_dir = &setup.paths.state_dir;
        let told = setup.holds.mend(&setup.writer);
        let known = || Holds::load_known(state_dir, **known_holds);
        let holds = tally.get(told.and_then(|()| known()))?;
        **known_holds = holds.len();
        Some(holds)
    }

    /// Deletes the segments whose time is over; the leaves that are in no file any more.
    fn segments(&mut self, holds: &[Hold]) -> Option<Vec<Range<u64>>> {
        let plan = self.plan(holds)?;
        self.tally.keep_back(plan.kept_back());
        if self.stopped() {
            return None;
        }
        self.doing("deleting segments");
        let with = Pruning {
            fs: &*self.setup.fs,
            log_dir: &self.setup.paths.log_dir,
            writer: &self.setup.writer,
            holds: &self.setup.holds,
            planned_with: holds,
        };
        let deleted = self.tally.get(prune(&plan, &with))?;
        let pruned = &mut self.tally.done.pruned;
        (pruned.count, pruned.bytes) = (deleted.segments, deleted.bytes);
        deleted.errors.into_iter().for_each(|error| self.tally.error(error));
        Some(deleted.gone)
    }

    fn plan(&mut self, holds: &[Hold]) -> Option<Plan> {
        self.doing("looking at what has expired");
        self.warn_if_low();
        let setup = self.setup;
        let basis = Basis {
            log_dir: &setup.paths.log_dir,
            log_id: &setup.log_id,
            active: Some(setup.metrics.segment.get()),
            database: &setup.database,
            settings: self.settings,
            archives: self.archives,
            holds,
            believed_ns: self.believed_ns,
            wall_ns: setup.clock.now().wall_ns,
        };
        let decided = basis.decide(self.memory, self.watcher.stop);
        self.tally.get(decided)
    }

    fn warn_if_low(&self) {
        let least = self.settings.config.min_free_bytes;
        let free = space::free(&self.setup.paths.log_dir).unwrap_or(u64::MAX);
        if free < least {
            tracing::warn!(
                "the disk of the log is nearly full: {free} bytes are free, and min_free_bytes is {least}"
            );
        }
    }

    /// Has the log say which rules let rows go, if what it said last is something else. A verification in between,
    /// or after a crash, must not take rows that have expired for rows that somebody deleted. Since when the log says
    /// so; nothing if it cannot.
    fn name_rules(&mut self) -> Option<i64> {
        let retention = self.settings.rules.definition();
        // Before the first run's own record no row is old enough for what the log says.
        if self.named.is_empty() {
            return Some(i64::MIN);
        }
        if let Some(at_ns) = self.named.last_ns(&retention) {
            return Some(at_ns);
        }
        let Maintained { trigger, uid, .. } = self.tally.done;
        let mut begins = Maintained { trigger, uid, ..Maintained::default() };
        let before_ns = self.setup.clock.now().wall_ns;
        let named_ns =
            record_naming_rules(&mut begins, self.setup, self.settings, self.named, before_ns);
        if named_ns.is_none() {
            self.tally.error("the writer of the log has ended");
        }
        named_ns
    }

    fn rows(&mut self, holds: Vec<Hold>, gone: Vec<Range<u64>>, named_ns: i64) {
        self.doing("deleting rows of the database");
        // The index itself is told as standing still, until it goes on; this task would fail until its next run.
        if let Some(error) = self.setup.index.error() {
            self.tally.note(format!("delete rows: {error}"));
            return;
        }
        let what = PruneRows {
            rules: self.settings.rules.clone(),
            // Not what expired since: the log does not vouch for that yet.
            believed_ns: self.believed_ns.min(named_ns),
            holds,
            gone: gone.into_iter().map(|range| range.start..=range.end.saturating_sub(1)).collect(),
        };
        // Whoever adds a hold meanwhile waits until a step is over: once it is in force nothing that it matches is
        // deleted any more.
        let (index, planned_with) = (&self.setup.index, what.holds.clone());
        let cut_short = Cell::new(false);
        let delete = |wanted: &dyn Fn() -> bool| {
            index.prune_until(what, &|| {
                cut_short.set(wanted());
                cut_short.get() || (self.watcher.stop)()
            })
        };
        let deleted = self.setup.holds.while_they_are(&planned_with, delete);
        let Some(deleted) = self.tally.get(deleted) else { return };
        let outcome = deleted.unwrap_or_else(|| Err(PruneError::HoldsChanged.to_string()));
        let Some(rows) = self.tally.get(outcome) else { return };
        if cut_short.get() {
            self.tally.note("a hold came or went: the next run deletes the other rows".into());
        }
        let task = &mut self.tally.done.rows;
        (task.count, task.bytes) = (rows.rows, rows.returned_bytes);
        if rows.kept_by_hold > 0 {
            let what = format!("holds keep {} of the database", count(rows.kept_by_hold, "row"));
            self.tally.keep_back(vec![what]);
        }
    }
}
