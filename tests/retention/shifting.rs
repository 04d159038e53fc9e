//! logrotate shifts the names of its files at any moment, also between a look at a path and the deletion of what
//! is there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use auditlogd::fs::{Access, File, Fs, Real};

use crate::world::{World, fates};

/// A disk on which another file takes the place of one just before that is renamed.
struct Shifting {
    real: Real,
    /// What comes, and whose place it takes.
    shift: Mutex<Option<(PathBuf, PathBuf)>>,
}

impl Fs for Shifting {
    fn create_dir(&self, path: &Path, access: Access) -> io::Result<()> {
        self.real.create_dir(path, access)
    }

    fn open_append(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        self.real.open_append(path, access)
    }

    fn open_slots(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        self.real.open_slots(path, access)
    }

    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        self.real.create_new(path, access)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.real.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        if let Some((comes, goes)) = self.shift.lock().expect("a lock").take() {
            assert_eq!(goes, from);
            fs::rename(&goes, goes.with_extension("shifted"))?;
            fs::rename(comes, goes)?;
        }
        self.real.rename_new(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.real.sync_dir(path)
    }
}

#[test]
fn a_segment_that_takes_the_place_of_an_expired_one_just_then_is_not_deleted() {
    let mut world = World::of_days(3);
    world.pass(87);
    let plan = world.plan();
    assert_eq!(fates(&plan), ["go", "not_expired", "not_expired", "open"]);
    let shift = Mutex::new(Some((world.segment(1), world.segment(0))));
    world.disk = Arc::new(Shifting { real: Real::default(), shift });
    let deleted = world.delete(&plan).expect("deletes");
    assert_eq!((deleted.segments, deleted.errors), (1, Vec::<String>::new()));
    assert_eq!(world.numbers(), [1, 2, 3]);
    world.holds_with(&deleted.gone);
}
