//! What outlives the process, so that a restart or a kill of the daemon loses no event and no client notices:
//! the connections, which the service manager keeps ([`store`]), and beside them one memory file ([`Memory`]) that says
//! how far each has come.
//!
//! A client's bytes stay in the kernel's socket buffer until the events in them are durable. Three notes lead
//! over a kill -9 at any instruction:
//!
//! - the *intent*: before a batch is appended to the ledger, which connection's lines it holds. After a kill
//!   the ledger's own end says which of them are stored;
//! - the *mark* of a connection: up to where its lines are durable, written after the sync and before the
//!   ack, and before the next batch takes the place of the intent;
//! - its *place*: up to where its bytes are consumed, with the part of a line that had to be taken out of the
//!   kernel's buffer to make room for the rest. Consuming is announced in it first; that the kernel counts
//!   back its peek offset while it consumes tells after a kill whether it was done.
//!
//! Each note is written with one pwrite(2) within one page, which a signal does not cut in half. A crash of
//! the host takes the connections, their bytes and this memory together.

mod intent;
mod last_run;
mod layout;
mod left_over;
mod memory;
mod notes;
mod resume;
pub mod store;

pub use intent::{Intended, Promise};
pub use last_run::{LastRun, Left};
pub use left_over::{LeftOver, NotKept};
pub use memory::{KeptError, Memory, Slot};
pub use notes::{Ack, Identity, Mark, Origin, Partial, Place};
pub use resume::Resumed;
