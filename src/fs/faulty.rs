//! A file system for tests that fails at a chosen step, and from then on: the process is as good as dead. It can
//! also hang, as a disk does that does not answer.

use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::{Access, File, Fs, Real, Stat};

/// How the chosen step fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing of the step happens.
    NotDone,
    /// The step happens and is reported as failed.
    Done,
    /// A write stops half-way; other steps do not happen.
    Half,
}

/// Real files below a temporary directory; every changing step is counted.
#[derive(Clone)]
pub struct Faulty {
    real: Real,
    plan: Arc<Plan>,
}

struct Plan {
    steps: AtomicU64,
    fail_at: u64,
    fault: Fault,
    kind: io::ErrorKind,
    hung: Mutex<Hung>,
    wake: Condvar,
}

/// Whether the disk hangs, and how many steps wait for it.
#[derive(Default)]
struct Hung {
    hangs: bool,
    waiting: usize,
}

impl Faulty {
    /// Fails at step `fail_at` (from 0) and at every later one.
    pub fn new(fail_at: u64, fault: Fault, kind: io::ErrorKind) -> Self {
        let plan = Plan {
            steps: AtomicU64::new(0),
            fail_at,
            fault,
            kind,
            hung: Mutex::default(),
            wake: Condvar::new(),
        };
        Self { real: Real::default(), plan: Arc::new(plan) }
    }

    /// One that never fails.
    pub fn sound() -> Self {
        Self::new(u64::MAX, Fault::NotDone, io::ErrorKind::Other)
    }

    /// Lets each step from now on wait until [`Faulty::go_on`].
    pub fn hang(&self) {
        self.plan.hung().hangs = true;
    }

    /// Lets all steps go on.
    pub fn go_on(&self) {
        self.plan.hung().hangs = false;
        self.plan.wake.notify_all();
    }

    /// Steps that wait.
    pub fn waiting(&self) -> usize {
        self.plan.hung().waiting
    }

    /// Steps tried so far.
    pub fn steps(&self) -> u64 {
        self.plan.steps.load(SeqCst)
    }
}

impl Plan {
    fn hung(&self) -> MutexGuard<'_, Hung> {
        self.hung.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Returns when the disk does not hang.
    fn wait(&self) {
        let mut hung = self.hung();
        hung.waiting += 1;
        while hung.hangs {
            hung = self.wake.wait(hung).unwrap_or_else(|e| e.into_inner());
        }
        hung.waiting -= 1;
    }

    /// Runs one step, or what the plan makes of it.
    fn step<T>(
        &self,
        whole: impl FnOnce() -> io::Result<T>,
        half: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<T> {
        self.wait();
        let step = self.steps.fetch_add(1, SeqCst);
        if step < self.fail_at {
            return whole();
        }
        if step == self.fail_at {
            match self.fault {
                Fault::NotDone => {}
                Fault::Done => drop(whole()?),
                Fault::Half => half()?,
            }
        }
        Err(io::Error::new(self.kind, "injected fault"))
    }
}

impl Fs for Faulty {
    fn create_dir(&self, path: &Path, access: Access) -> io::Result<()> {
        self.plan.step(|| self.real.create_dir(path, access), || Ok(()))
    }

    fn open_append(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        let open = || self.real.open_append(path, access);
        let file = self.plan.step(open, || Ok(()))?;
        Ok(Box::new(FaultyFile { file, plan: self.plan.clone() }))
    }

    fn open_slots(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        let file = self.plan.step(|| self.real.open_slots(path, access), || Ok(()))?;
        Ok(Box::new(FaultyFile { file, plan: self.plan.clone() }))
    }

    fn create_new(&self, path: &Path, access: Access) -> io::Result<Box<dyn File>> {
        let file = self.plan.step(|| self.real.create_new(path, access), || Ok(()))?;
        Ok(Box::new(FaultyFile { file, plan: self.plan.clone() }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.plan.step(|| self.real.remove(path), || Ok(()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.step(|| self.real.rename(from, to), || Ok(()))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.plan.step(|| self.real.rename_new(from, to), || Ok(()))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.plan.step(|| self.real.sync_dir(path), || Ok(()))
    }
}

struct FaultyFile {
    file: Box<dyn File>,
    plan: Arc<Plan>,
}

impl File for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Self { file, plan } = self;
        let file = std::cell::RefCell::new(file);
        plan.step(
            || file.borrow_mut().append(bytes),
            || file.borrow_mut().append(&bytes[..bytes.len() / 2]),
        )
    }

    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let Self { file, plan } = self;
        let file = std::cell::RefCell::new(file);
        plan.step(
            || file.borrow_mut().write_at(bytes, offset),
            || file.borrow_mut().write_at(&bytes[..bytes.len() / 2], offset),
        )
    }

    fn sync(&mut self) -> io::Result<()> {
        let Self { file, plan } = self;
        plan.step(|| file.sync(), || Ok(()))
    }

    fn make_like(&mut self, other: &Metadata) -> io::Result<()> {
        let Self { file, plan } = self;
        plan.step(|| file.make_like(other), || Ok(()))
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let Self { file, plan } = self;
        plan.step(|| file.truncate(len), || Ok(()))
    }

    fn read_all(&self) -> io::Result<Vec<u8>> {
        self.file.read_all()
    }

    fn stat(&self) -> io::Result<Stat> {
        self.file.stat()
    }
}
