//! The index: a SQLite database, `audit.db`, that follows the ledger and can be rebuilt from it.
//!
//! [`Writer`] owns the one writing connection and takes rows in batches; [`Reader`] answers questions
//! without ever holding a transaction open between two calls; [`Pruning`] takes rows out again whose time is
//! over. The room knows nothing of the ledger: whoever follows it hands over rows and says up to which leaf they
//! reach. `docs/sqlite.md` is the page for people who query the file by hand.

mod check;
mod error;
mod files;
mod filter;
mod insert;
mod postings;
mod prune;
mod reader;
mod reset;
mod row;
mod schema;
mod statement;
mod stored;
mod temporary;
mod writer;

#[cfg(test)]
mod tests;

pub use check::{Difference, Extent, Found, Kind, Made, Part, Progress, Snapshot};
pub use error::IndexError;
pub use filter::{Filter, Order};
pub use insert::Batch;
pub use postings::{Postings, PostingsBuilder};
pub use prune::{PruneRows, Pruning, RowsPruned, Space};
pub use reader::Reader;
pub use row::{Line, Row, Rows};
pub use stored::{EventRow, SealRow, SegmentRow};
pub use temporary::keep_temporary_files_in;
pub use writer::{Options, WalState, Writer};
