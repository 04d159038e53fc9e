//! How a disk may look after the power failed: what was not synced is there or not, whole or torn, in any order.
//!
//! Of a file, each block has any of the contents that it had since the last sync, and the length is any that the file
//! had since then, with zeros where no block was written. Of a directory, each change since its last sync is there or
//! not, but none without those before it that it builds on: all file systems with a journal keep to that.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use crate::disk::{Inode, Log, Op};

/// A disk at a moment.
pub struct Moment {
    /// What each file held at its last sync, and after each change since.
    files: Vec<Vec<Vec<u8>>>,
    modes: Vec<u32>,
    /// The names that are durable.
    names: Names,
    /// Changes of directories that are not.
    pending: Vec<Op>,
}

#[derive(Clone, Default)]
struct Names {
    dirs: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Inode>,
}

/// What of a disk the power failure left: for each file a content, and names.
pub struct Left {
    files: Vec<Vec<u8>>,
    modes: Vec<u32>,
    names: Names,
}

impl Moment {
    /// The disk when so many of its operations had been done.
    pub fn of(log: &Log, done: usize) -> Self {
        let (dirs, files) = log.before.clone();
        let names = Names { dirs: dirs.into_iter().collect(), files };
        let files = log.bytes.iter().map(|bytes| vec![bytes.clone()]).collect();
        let mut moment = Self { files, modes: log.modes.clone(), names, pending: Vec::new() };
        log.ops[..done].iter().for_each(|op| moment.play(op));
        moment
    }

    fn play(&mut self, op: &Op) {
        match op {
            Op::Write { file, at, bytes } => self.change(*file, |content| {
                let (start, end) = (*at as usize, *at as usize + bytes.len());
                content.resize(content.len().max(end), 0);
                content[start..end].copy_from_slice(bytes);
            }),
            Op::Resize { file, len } => {
                self.change(*file, |content| content.resize(*len as usize, 0))
            }
            Op::Sync(file) => {
                let versions = &mut self.files[*file];
                versions.drain(..versions.len() - 1);
            }
            Op::SyncDir(dir) => {
                let in_dir = |op: &Op| names(op).last().and_then(|path| path.parent()) == Some(dir);
                let all = std::mem::take(&mut self.pending);
                let wanted: Vec<_> = all.iter().map(in_dir).collect();
                let kept = with_what_they_build_on(&all, wanted);
                for (op, kept) in all.into_iter().zip(kept) {
                    match kept {
                        true => self.names.play(&op),
                        false => self.pending.push(op),
                    }
                }
            }
            Op::Mkdir(_) | Op::Create { .. } | Op::Remove(_) | Op::Rename { .. } => {
                self.pending.push(op.clone());
            }
        }
    }

    fn change(&mut self, file: Inode, change: impl FnOnce(&mut Vec<u8>)) {
        let mut content = self.files[file].last().expect("a content").clone();
        change(&mut content);
        self.files[file].push(content);
    }

    /// Whether all is durable.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty() && self.files.iter().all(|versions| versions.len() == 1)
    }

    /// In how many ways whole changes of files and the first changes of directories can be there, others not.
    pub fn ways(&self) -> usize {
        let files = self.files.iter().map(Vec::len);
        files.fold(self.pending.len() + 1, usize::saturating_mul)
    }

    /// The `n`th of these ways.
    pub fn way(&self, mut n: usize) -> Left {
        let mut choose = |of: usize| {
            let choice = n % of;
            n /= of;
            choice
        };
        let kept = choose(self.pending.len() + 1);
        let files = self.files.iter().map(|versions| versions[choose(versions.len())].clone());
        let files = files.collect();
        self.left(files, (0..self.pending.len()).map(|at| at < kept).collect())
    }

    /// Any of all ways.
    pub fn any(&self, rng: &mut Rng) -> Left {
        let block = [512, 4096][rng.usize(..2)];
        let files = self.files.iter().map(|versions| torn(versions, block, rng)).collect();
        let wanted = match rng.bool() {
            true => {
                let kept = rng.usize(..=self.pending.len());
                (0..self.pending.len()).map(|at| at < kept).collect()
            }
            false => self.pending.iter().map(|_| rng.bool()).collect(),
        };
        self.left(files, with_what_they_build_on(&self.pending, wanted))
    }

    fn left(&self, files: Vec<Vec<u8>>, kept: Vec<bool>) -> Left {
        let mut names = self.names.clone();
        let kept = self.pending.iter().zip(kept).filter(|(_, kept)| *kept);
        kept.for_each(|(op, _)| names.play(op));
        Left { files, modes: self.modes.clone(), names }
    }
}

/// A content of which each block is of any version, and the length of any, too.
fn torn(versions: &[Vec<u8>], block: usize, rng: &mut Rng) -> Vec<u8> {
    let (first, last) = (&versions[0], &versions[versions.len() - 1]);
    if versions.len() == 1 || rng.u8(..4) == 0 {
        return if rng.bool() { first.clone() } else { last.clone() };
    }
    // A file that was cut is as long as before or not, and no block of it changes.
    if versions.windows(2).any(|pair| pair[1].len() < pair[0].len()) {
        return versions[rng.usize(..versions.len())].clone();
    }
    let mut content = vec![0; versions[rng.usize(..versions.len())].len()];
    if rng.bool() && content.len() > first.len() {
        // A file grows as its pages are written.
        let len = rng.usize(first.len()..content.len()) / block * block;
        content.truncate(len.max(first.len()));
    }
    for (at, bytes) in content.chunks_mut(block).enumerate() {
        let version = &versions[rng.usize(..versions.len())];
        let from = version.get(at * block..).unwrap_or_default();
        let len = from.len().min(bytes.len());
        bytes[..len].copy_from_slice(&from[..len]);
    }
    content
}

impl Names {
    fn play(&mut self, op: &Op) {
        match op {
            Op::Mkdir(path) => drop(self.dirs.insert(path.clone())),
            Op::Create { path, file } => drop(self.files.insert(path.clone(), *file)),
            Op::Remove(path) => drop(self.files.remove(path)),
            Op::Rename { from, to, file } => {
                self.files.remove(from);
                self.files.insert(to.clone(), *file);
            }
            Op::Write { .. } | Op::Resize { .. } | Op::Sync(_) | Op::SyncDir(_) => {}
        }
    }
}

/// The names that a change of directories is about; of a renaming, the new one is the last.
fn names(op: &Op) -> Vec<&Path> {
    match op {
        Op::Mkdir(path) | Op::Create { path, .. } | Op::Remove(path) => vec![path],
        Op::Rename { from, to, .. } => vec![from, to],
        Op::Write { .. } | Op::Resize { .. } | Op::Sync(_) | Op::SyncDir(_) => vec![],
    }
}

/// These changes and those before them of the same names, or that made the directory they are in.
fn with_what_they_build_on(ops: &[Op], mut wanted: Vec<bool>) -> Vec<bool> {
    for later in (0..ops.len()).rev() {
        if !wanted[later] {
            continue;
        }
        let about = names(&ops[later]);
        for earlier in 0..later {
            let made = |path: &&Path| matches!(&ops[earlier], Op::Mkdir(dir) if path.parent() == Some(dir.as_path()));
            let same = names(&ops[earlier]).iter().any(|path| about.contains(path));
            wanted[earlier] |= same || about.iter().any(made);
        }
    }
    wanted
}

impl Left {
    /// Writes it below `root`; it was a disk below `was`.
    pub fn put(&self, was: &Path, root: &Path) {
        let was = was.canonicalize().expect("it is there");
        let new = |path: &Path| root.join(path.strip_prefix(&was).expect("below it"));
        for dir in &self.names.dirs {
            fs::create_dir_all(new(dir)).expect("creates");
        }
        for (path, file) in &self.names.files {
            let path = new(path);
            if path.parent().is_some_and(Path::is_dir) {
                fs::write(&path, &self.files[*file]).expect("writes");
                fs::set_permissions(&path, Permissions::from_mode(self.modes[*file]))
                    .expect("sets");
            }
        }
    }
}
