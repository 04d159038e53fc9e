//! What the kernel offers and no safe interface does: the only unsafe code of the crate. Each part is a few
//! lines, with what it relies on.
#![allow(unsafe_code)]

mod heap;
mod passed;
mod peek;
mod secret;

pub use heap::give_back;
pub use passed::{Passed, passed};
pub use peek::PeekOffset;
pub use secret::Secret;
