//! What a job would delete, for whoever wants to know before.

use super::judge::Judge;
use super::rows::Rows;
use super::{PruneRows, RowsPruned};
use crate::index::IndexError;
use crate::index::reader::Reader;

impl Reader {
    /// What would become of rows by their own rules if such a job ran now: [`RowsPruned::rows`] and
    /// [`RowsPruned::kept_by_hold`]; the rest is none. Reads the rows whose time may be over.
    pub fn would_prune(&self, what: PruneRows) -> Result<RowsPruned, IndexError> {
        let PruneRows { rules, believed_ns, holds, .. } = what;
        let judge = Judge::new(rules, holds, believed_ns);
        let (mut rows, mut done) = (Rows::default(), RowsPruned::default());
        while rows.count_unit(&self.db, &judge, &mut done).map_err(|e| self.error(e))?.is_some() {}
        Ok(done)
    }
}
