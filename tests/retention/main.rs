//! Which segments go and when, what the log says of it, and what stays: with a clock that the test moves, and a
//! verification at the end of each story.

#[path = "../common/mod.rs"]
mod common;

mod crashes;
mod damage;
mod disk;
mod holds;
mod holes;
mod hostile;
mod low_space;
mod rules;
mod shifting;
mod world;
