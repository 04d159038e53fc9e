//! A disk that is not waited for: no power fails here, and thousands of syncs would be most of the test.

use std::fs::Metadata;
use std::io;
use std::path::Path;

use auditlogd::fs::{Access, File, Fs, Stat};

pub struct Unsynced<F>(pub F);

struct UnsyncedFile(Box<dyn File>);

fn wrapped(file: io::Result<Box<dyn File>>) -> io::Result<Box<dyn File>> {
    Ok(Box::new(UnsyncedFile(file?)))
}

impl<F: Fs> Fs for Unsynced<F> {
    fn create_dir(&self, path: &Path, access: Access) -> io::Result<()> {
        self.0.create_dir(path, access)
    }

    fn open_append(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        wrapped(self.0.open_append(path, access))
    }

    fn open_slots(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        wrapped(self.0.open_slots(path, access))
    }

    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        wrapped(self.0.create_new(path, access))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename_new(from, to)
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl File for UnsyncedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.append(bytes)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        // It would be synced.
        if self.0.stat()?.len == len { Ok(()) } else { self.0.truncate(len) }
    }

    fn read_all(&self) -> io::Result<Vec<u8>> {
        self.0.read_all()
    }

    fn stat(&self) -> io::Result<Stat> {
        self.0.stat()
    }

    fn make_like(&mut self, like: &Metadata) -> io::Result<()> {
        self.0.make_like(like)
    }
}
