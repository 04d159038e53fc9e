//! logrotate shifts the names of its files at any moment, also between a look at a path and the deletion of what
//! is there.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::disk::Hooked;
use crate::world::{World, fates};

#[test]
fn a_segment_that_takes_the_place_of_an_expired_one_just_then_is_not_deleted() {
    let mut world = World::of_days(3);
    world.pass(87);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "not_expired", "not_expired", "open"]);
    let shift = Mutex::new(Some((world.segment(1), world.segment(0))));
    world.disk = Arc::new(Hooked::before_rename(move |from: &Path| {
        let Some((comes, goes)) = shift.lock().expect("a lock").take() else { return Ok(()) };
        assert_eq!(goes, from);
        fs::rename(&goes, goes.with_extension("shifted"))?;
        fs::rename(comes, goes)
    }));
    let deleted = world.delete(&plan).expect("deletes");
    assert_eq!((deleted.segments, deleted.errors), (1, Vec::<String>::new()));
    assert_eq!(world.numbers(), [1, 2, 3]);
    world.holds_with(&deleted.gone);
}
