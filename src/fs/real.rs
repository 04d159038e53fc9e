//! The real file system.

use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{
    DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown,
};
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::{Access, File, Fs, Stat};

/// Calls the kernel.
#[derive(Clone, Debug, Default)]
pub struct Real {
    /// The group that shared files are given to, where one is configured.
    pub group: Option<u32>,
}

impl Real {
    /// Shares files with the group of this name, where one is given.
    pub fn for_group(name: Option<&str>) -> io::Result<Self> {
        let Some(name) = name else { return Ok(Self::default()) };
        let group = nix::unistd::Group::from_name(name)?;
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "there is no such group");
        Ok(Self { group: Some(group.ok_or_else(unknown)?.gid.as_raw()) })
    }

    fn open(&self, path: &Path, access: Access, append: bool) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.write(true).append(append).custom_flags(nix::libc::O_NOFOLLOW);
        match options.open(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.create(path, access, options),
            opened => Ok(Box::new(RealFile(opened?))),
        }
    }

    fn create(
        &self,
        path: &Path,
        access: Access,
        mut options: OpenOptions,
    ) -> io::Result<Box<dyn File>> {
        let mode = match access {
            Access::Private => 0o600,
            Access::Shared => 0o640,
        };
        let file = options.create_new(true).mode(mode).open(path)?;
        // The umask may have taken away more than we mean.
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        self.give_to_group(path, access)?;
        Ok(Box::new(RealFile(file)))
    }

    /// Gives what is at `path`, a socket say, to the group that may read.
    pub fn share(&self, path: &Path) -> io::Result<()> {
        self.give_to_group(path, Access::Shared)
    }

    fn give_to_group(&self, path: &Path, access: Access) -> io::Result<()> {
        match (access, self.group) {
            (Access::Shared, Some(_)) => std::os::unix::fs::chown(path, None, self.group),
            _ => Ok(()),
        }
    }
}

impl Fs for Real {
    fn create_dir(&self, path: &Path, access: Access) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let mode = match access {
            Access::Private => 0o700,
            Access::Shared => 0o750,
        };
        // Parents are ways through for others; only the directory itself is closed.
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o755).create(parent)?;
        }
        DirBuilder::new().mode(mode).create(path)?;
        self.give_to_group(path, access)
    }

    fn open_append(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        self.open(path, access, true)
    }

    fn open_slots(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        self.open(path, access, false)
    }

    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options.write(true);
        self.create(path, access, options)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // Some file systems (NFS, for one) cannot; then a look has to do, in a directory that is ours.
            Err(Errno::INVAL | Errno::NOSYS) => match fs::symlink_metadata(to) {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(_) => fs::rename(from, to),
            },
            renamed => Ok(renamed?),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        match fs::File::open(path)?.sync_all() {
            // Some network file systems know no such thing.
            Err(e) if e.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }
}

struct RealFile(fs::File);

impl File for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn make_like(&mut self, other: &Metadata) -> io::Result<()> {
        // A group that is right already need not be one that we may give.
        if self.0.metadata()?.gid() != other.gid() {
            fchown(&self.0, None, Some(other.gid()))?;
        }
        self.0.set_permissions(other.permissions())?;
        self.0.set_modified(other.modified()?)
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)?;
        self.0.sync_all()
    }

    fn read_all(&self) -> io::Result<Vec<u8>> {
        // Opened for writing only, so it is opened again by its descriptor.
        fs::read(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
    }

    fn stat(&self) -> io::Result<Stat> {
        let meta = self.0.metadata()?;
        Ok(Stat { id: (meta.dev(), meta.ino()), links: meta.nlink(), len: meta.len() })
    }
}
