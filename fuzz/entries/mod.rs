//! What the fuzzer and `tests/fuzz_smoke` drive: each takes any bytes, and panics where something is wrong.

pub mod config;
pub mod event;
pub mod filter;
pub mod framing;
pub mod line;
pub mod note;
pub mod proof;
pub mod protocol;
pub mod retention;
pub mod seal;
pub mod state;
