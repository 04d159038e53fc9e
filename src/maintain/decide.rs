//! What a run would delete: the one place where rules, holds, archives and the disk come together, for the run
//! itself and for whoever only asks.

use std::path::Path;
use std::sync::Arc;

use super::archive::Archives;
use super::plan::{Plan, Terms, plan};
use super::scan::Lens;
use super::survey::{Memory, Segment, survey};
use super::{Settings, space};
use crate::event::FieldMap;
use crate::index::{IndexError, Reader};
use crate::ledger::segment;
use crate::retention::{Hold, Rules};

/// What the decision is made on.
pub struct Basis<'b> {
    /// Where segments are.
    pub log_dir: &'b Path,
    /// The log's id, 32 hex digits.
    pub log_id: &'b str,
    /// The number of the segment that is written; none: that of the newest.
    pub active: Option<u64>,
    /// The database, which knows with which field maps events were read.
    pub database: &'b Path,
    /// What the configuration says.
    pub settings: &'b Settings,
    /// What archives have.
    pub archives: &'b Archives,
    /// The holds in force.
    pub holds: &'b [Hold],
    /// The time to go by, nanoseconds since 1970.
    pub believed_ns: i64,
    /// The wall clock.
    pub wall_ns: i64,
}

impl Basis<'_> {
    /// Reads what has to be read, and decides; `give_up` is asked again and again.
    ///
    /// # Errors
    /// A sentence: nothing may be deleted then.
    pub fn decide(&self, memory: &mut Memory, give_up: &dyn Fn() -> bool) -> Result<Plan, String> {
        let Settings { config, rules, .. } = self.settings;
        let early = (config.min_keep_days > 0).then(|| Rules {
            keep_days: rules.keep_days.min(config.min_keep_days),
            ..rules.clone()
        });
        let (fields, holds) = (self.field_maps()?, self.holds.to_vec());
        let lens = Lens { rules: rules.clone(), early, fields, holds };
        let (dir, now_ns) = (self.log_dir, self.believed_ns);
        let segments = survey(dir, self.log_id, self.active, &lens, now_ns, memory, give_up)
            .map_err(|e| format!("the log in {dir:?} cannot be listed: {e}"))?;
        let free = space::free(dir).unwrap_or(u64::MAX);
        let terms = Terms {
            now_ns,
            wall_ns: self.wall_ns,
            shortfall: config.min_free_bytes.saturating_sub(free),
            min_keep_days: config.min_keep_days,
            not_taken: &|segment| self.not_taken(segment),
        };
        Ok(plan(segments, &terms))
    }

    /// What events were read with, now and before. One that another version of the daemon made cannot be used
    /// any more; its rows were made anew with one that can. A database that was not made yet, as there is nothing
    /// closed to decide on, is made with the present one.
    fn field_maps(&self) -> Result<Vec<Arc<FieldMap>>, String> {
        let now = self.settings.fields.clone();
        let definitions = match Reader::open(self.database).and_then(|db| db.field_maps()) {
            Err(IndexError::Missing { .. }) if !self.has_closed_segments() => Vec::new(),
            read => {
                read.map_err(|e| format!("with which [fields] events were read is not known: {e}"))?
            }
        };
        let mut maps = vec![now.clone()];
        let others = definitions.iter().filter(|definition| *definition != now.definition());
        maps.extend(others.filter_map(|text| FieldMap::from_definition(text).ok()).map(Arc::new));
        Ok(maps)
    }

    fn has_closed_segments(&self) -> bool {
        let found = segment::list_of(self.log_dir, self.log_id);
        found.map_or(true, |found| found.len() > 1)
    }

    fn not_taken(&self, segment: &Segment) -> Vec<String> {
        let lacking = self.archives.lacking(&self.settings.archives, &segment.header);
        lacking.map(ToString::to_string).collect()
    }
}
