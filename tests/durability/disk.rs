//! A disk that keeps a log of what is done to it, so that [`crate::crash`] can say how it may look after the power
//! failed at any moment of it; and that fails some of its steps.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::ops::Range;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use auditlogd::fs::faulty::Fault;
use auditlogd::fs::{Access, File, Fs, Real, Stat};

use crate::common::unsynced::Unsynced;

/// A file, whatever its name.
pub type Inode = usize;

/// What was done, in order. Paths have no links in them.
#[derive(Clone, Debug)]
pub enum Op {
    Mkdir(PathBuf),
    Create { path: PathBuf, file: Inode },
    Write { file: Inode, at: u64, bytes: Vec<u8> },
    Resize { file: Inode, len: u64 },
    Sync(Inode),
    Remove(PathBuf),
    Rename { from: PathBuf, to: PathBuf, file: Inode },
    SyncDir(PathBuf),
}

/// Steps that fail, and how.
#[derive(Clone, Debug)]
pub struct Fails {
    pub steps: Range<u64>,
    /// What becomes of the first of them; nothing is done of those behind it.
    pub fault: Fault,
    pub errno: i32,
}

/// The disk below a directory.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<Log>>);

/// What is known of it.
pub struct Log {
    real: Unsynced<Real>,
    fails: Option<Fails>,
    /// Steps tried.
    pub steps: u64,
    /// Directories and files that were there before the first step, and durable.
    pub before: (Vec<PathBuf>, BTreeMap<PathBuf, Inode>),
    /// What each file held then.
    pub bytes: Vec<Vec<u8>>,
    /// Permission bits of each file.
    pub modes: Vec<u32>,
    pub ops: Vec<Op>,
    names: BTreeMap<PathBuf, Inode>,
}

impl Disk {
    /// The disk below `root`, as it is now.
    pub fn new(root: &Path, fails: Option<Fails>) -> Self {
        let mut log = Log {
            real: Unsynced(Real::default()),
            fails,
            steps: 0,
            before: (vec![root.canonicalize().expect("there is one")], BTreeMap::new()),
            bytes: Vec::new(),
            modes: Vec::new(),
            ops: Vec::new(),
            names: BTreeMap::new(),
        };
        let mut at = 0;
        while let Some(dir) = log.before.0.get(at).cloned() {
            for entry in std::fs::read_dir(dir).expect("lists") {
                let path = entry.expect("an entry").path();
                match path.is_dir() {
                    true => log.before.0.push(path),
                    false => drop(log.inode(&path)),
                }
            }
            at += 1;
        }
        log.before.1 = log.names.clone();
        Self(Arc::new(Mutex::new(log)))
    }

    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The moment it is: what was done before it is done.
    pub fn now(&self) -> usize {
        self.log().ops.len()
    }

    /// Somebody who knows nothing of the daemon renames a file, as logrotate does.
    pub fn rename_by_hand(&self, from: &Path, to: &Path) {
        let mut log = self.log();
        std::fs::rename(from, to).expect("renames");
        log.renamed(from, to);
    }

    /// Somebody copies a file, syncs the copy and cuts the file, as logrotate's copytruncate does but for the sync.
    pub fn copy_and_cut_by_hand(&self, from: &Path, to: &Path) {
        let mut log = self.log();
        let bytes = std::fs::read(from).expect("reads");
        std::fs::write(to, &bytes).expect("writes");
        let (from, file) = (log.inode(from), log.created(to));
        log.ops.push(Op::Write { file, at: 0, bytes });
        log.ops.push(Op::Sync(file));
        log.ops.push(Op::SyncDir(plain(to).parent().expect("a directory").into()));
        let path = log.names.iter().find(|(_, file)| **file == from).expect("it has a name").0;
        std::fs::File::options().write(true).truncate(true).open(path).expect("cuts");
        log.ops.push(Op::Resize { file: from, len: 0 });
    }

    /// Tries one step: all of it, or what the plan makes of it.
    fn step<T>(
        &self,
        whole: impl FnOnce(&mut Log) -> io::Result<T>,
        half: impl FnOnce(&mut Log) -> io::Result<()>,
    ) -> io::Result<T> {
        let mut log = self.log();
        let step = log.steps;
        log.steps += 1;
        let Some(fails) = log.fails.clone().filter(|fails| fails.steps.contains(&step)) else {
            return whole(&mut log);
        };
        if step == fails.steps.start {
            match fails.fault {
                Fault::NotDone => {}
                Fault::Done => drop(whole(&mut log)?),
                Fault::Half => half(&mut log)?,
            }
        }
        Err(io::Error::from_raw_os_error(fails.errno))
    }

    fn simple(&self, whole: impl FnOnce(&mut Log) -> io::Result<()>) -> io::Result<()> {
        self.step(whole, |_| Ok(()))
    }

    fn open(
        &self,
        path: &Path,
        open: impl FnOnce(&Unsynced<Real>) -> io::Result<Box<dyn File>>,
    ) -> io::Result<Box<dyn File>> {
        let opened = self.step(
            |log| {
                let new = !path.exists();
                let file = open(&log.real)?;
                let inode = if new { log.created(path) } else { log.inode(path) };
                Ok((file, inode))
            },
            |_| Ok(()),
        );
        let (file, inode) = opened?;
        Ok(Box::new(Logged { disk: self.clone(), file, inode }))
    }
}

impl Log {
    /// The file of this name; one that is new to this disk was always there.
    fn inode(&mut self, path: &Path) -> Inode {
        let path = plain(path);
        if let Some(inode) = self.names.get(&path) {
            return *inode;
        }
        let inode = self.add(&path, std::fs::read(&path).expect("reads"));
        self.before.1.insert(path, inode);
        inode
    }

    fn created(&mut self, path: &Path) -> Inode {
        let path = plain(path);
        let file = self.add(&path, Vec::new());
        self.ops.push(Op::Create { path, file });
        file
    }

    fn add(&mut self, path: &Path, bytes: Vec<u8>) -> Inode {
        let mode = std::fs::metadata(path).expect("looks").permissions().mode();
        self.bytes.push(bytes);
        self.modes.push(mode & 0o777);
        let inode = self.bytes.len() - 1;
        self.names.insert(path.into(), inode);
        inode
    }

    fn renamed(&mut self, from: &Path, to: &Path) {
        let (file, from, to) = (self.moved(from, to), plain(from), plain(to));
        self.names.remove(&from);
        self.names.insert(to.clone(), file);
        self.ops.push(Op::Rename { from, to, file });
    }

    /// The file that had the name `from` and has `to` now.
    fn moved(&mut self, from: &Path, to: &Path) -> Inode {
        let known = self.names.get(&plain(from)).copied();
        known.unwrap_or_else(|| {
            let bytes = std::fs::read(to).expect("reads");
            let inode = self.add(&plain(to), bytes);
            self.before.1.insert(plain(from), inode);
            inode
        })
    }
}

/// A path whose directory is named without links, such as those of /proc.
fn plain(path: &Path) -> PathBuf {
    let dir = path.parent().expect("a directory").canonicalize().expect("it exists");
    dir.join(path.file_name().expect("a name"))
}

impl Fs for Disk {
    fn create_dir(&self, path: &Path, access: Access) -> io::Result<()> {
        self.simple(|log| {
            let new = !path.is_dir();
            log.real.create_dir(path, access)?;
            if new {
                log.ops.push(Op::Mkdir(plain(path)));
            }
            Ok(())
        })
    }

    fn open_append(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        self.open(path, |real| real.open_append(path, access))
    }

    fn open_slots(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        self.open(path, |real| real.open_slots(path, access))
    }

    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        self.open(path, |real| real.create_new(path, access))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.simple(|log| {
            if path.exists() {
                log.inode(path);
            }
            log.real.remove(path)?;
            let path = plain(path);
            log.names.remove(&path);
            log.ops.push(Op::Remove(path));
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.simple(|log| {
            log.real.rename(from, to)?;
            log.renamed(from, to);
            Ok(())
        })
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.simple(|log| {
            log.real.rename_new(from, to)?;
            log.renamed(from, to);
            Ok(())
        })
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.simple(|log| {
            let path = path.canonicalize()?;
            log.ops.push(Op::SyncDir(path));
            Ok(())
        })
    }
}

/// A file whose changes are logged.
struct Logged {
    disk: Disk,
    file: Box<dyn File>,
    inode: Inode,
}

impl Logged {
    fn write(&mut self, bytes: &[u8], at: Option<u64>) -> io::Result<()> {
        let Self { disk, file, inode } = self;
        let file = std::cell::RefCell::new(file);
        let write = |log: &mut Log, bytes: &[u8]| {
            let mut file = file.borrow_mut();
            let place = at.map_or_else(|| file.stat().map(|stat| stat.len), Ok)?;
            match at {
                Some(at) => file.write_at(bytes, at)?,
                None => file.append(bytes)?,
            }
            log.ops.push(Op::Write { file: *inode, at: place, bytes: bytes.to_vec() });
            Ok(())
        };
        disk.step(|log| write(log, bytes), |log| write(log, &bytes[..bytes.len() / 2]))
    }
}

impl File for Logged {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes, None)
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write(bytes, Some(offset))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.simple(|log| {
            log.ops.push(Op::Sync(self.inode));
            Ok(())
        })
    }

    /// Mode and time are taken to be kept.
    fn make_like(&mut self, other: &Metadata) -> io::Result<()> {
        self.disk.simple(|_| self.file.make_like(other))
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.disk.simple(|log| {
            self.file.truncate(len)?;
            log.ops.push(Op::Resize { file: self.inode, len });
            log.ops.push(Op::Sync(self.inode));
            Ok(())
        })
    }

    fn read_all(&self) -> io::Result<Vec<u8>> {
        self.file.read_all()
    }

    fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }
}
