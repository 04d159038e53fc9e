//! A disk that fills up, and one that goes away: who may still write, what becomes of the others' events, and that all
//! comes right by itself. Everything is mounted in a namespace that ends with the daemon.

#[path = "../common/mod.rs"]
mod common;
mod gone;
mod kept;
mod ladder;
mod overflow;
mod small;
