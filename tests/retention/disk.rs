//! A disk on which a test does something of its own when files are renamed or removed.

use std::io;
use std::path::Path;

use auditlogd::fs::{Access, File, Fs, Real};

type BeforeRename = Box<dyn Fn(&Path) -> io::Result<()> + Send + Sync>;

/// The real disk, and what the test does.
pub struct Hooked {
    real: Real,
    before_rename: BeforeRename,
    after_remove: Box<dyn Fn() + Send + Sync>,
}

impl Hooked {
    /// Before a file is given a name that nothing has; an error keeps it from that.
    pub fn before_rename(hook: impl Fn(&Path) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let (before_rename, after_remove) = (Box::new(hook), Box::new(|| {}));
        Self { real: Real::default(), before_rename, after_remove }
    }

    /// After each file that was removed.
    pub fn after_remove(hook: impl Fn() + Send + Sync + 'static) -> Self {
        let (before_rename, after_remove) = (Box::new(|_: &Path| Ok(())), Box::new(hook));
        Self { real: Real::default(), before_rename, after_remove }
    }
}

impl Fs for Hooked {
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
        self.real.remove(path)?;
        (self.after_remove)();
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        (self.before_rename)(from)?;
        self.real.rename_new(from, to)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.real.sync_dir(path)
    }
}
