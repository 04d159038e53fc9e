//! Archives: each closed segment is handed over to each `[[archive]]` once, in the form in which it is stored.
//!
//! What an archive loses afterwards is its own affair: nothing is handed over again, unless `archives.json` is lost.

mod book;
mod directory;
mod exec;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::clock::{Clock, rfc3339};
use crate::config::{Archive, ArchiveTo};
use crate::fs::Fs;
use crate::ledger::Paths;
use crate::ledger::segment::{Found, Header};
use crate::maintain::copies::{of_each, whole};
use crate::metrics::ArchiveStatus;
use book::{Book, id};
use directory::Directory;

/// What is known of all archives.
pub struct Archives {
    fs: Arc<dyn Fs>,
    paths: Paths,
    clock: Clock,
    book: Mutex<Book>,
    /// By the name of the archive: what is wrong with it since when.
    failing: Mutex<BTreeMap<String, Failing>>,
}

#[derive(Clone)]
struct Failing {
    error: String,
    since: String,
}

/// What a run handed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HandedOver {
    /// Segments, each counted for each archive that took it.
    pub segments: u64,
    /// The bytes of their files.
    pub bytes: u64,
    /// What went wrong, one sentence for each archive.
    pub errors: Vec<String>,
}

/// What one run is about.
struct Context<'a> {
    fs: &'a dyn Fs,
    paths: &'a Paths,
    stop: &'a dyn Fn() -> bool,
}

impl Context<'_> {
    fn check_stop(&self) -> Result<(), Refusal> {
        if (self.stop)() { Err(Refusal::Stopped) } else { Ok(()) }
    }
}

/// Why an archive did not take a segment, to be read after the archive's name.
enum Refusal {
    /// Something else has the segment's name there; other segments may pass.
    Conflict(String),
    /// The next segment would not do better now.
    Failed(String),
    /// The daemon is about to end.
    Stopped,
}

impl Archives {
    /// Reads what each archive has.
    pub fn open(fs: Arc<dyn Fs>, paths: Paths, clock: Clock) -> Self {
        let book = Book::open(fs.clone(), paths.state_dir.join("archives.json"));
        Self { fs, paths, clock, book: Mutex::new(book), failing: Mutex::default() }
    }

    /// Hands each closed segment over to each archive that does not have it. `segments` are all of this log,
    /// oldest first; closed are those whose number is below `active`. An archive that fails is tried again
    /// at the next run. `stop` is asked again and again and ends it early.
    pub fn hand_over(
        &self,
        archives: &[Archive],
        segments: &[Found],
        active: u64,
        stop: &dyn Fn() -> bool,
    ) -> HandedOver {
        let mut done = HandedOver::default();
        if let Err(e) = lock(&self.book).keep_only(segments) {
            done.errors.push(e);
        }
        let context = Context { fs: &*self.fs, paths: &self.paths, stop };
        for archive in archives {
            let outcome = self.serve(&archive.to, segments, active, &context, &mut done);
            self.note(&archive.to.to_string(), outcome, &mut done);
        }
        done
    }

    /// Whether this archive has the segment.
    pub fn has(&self, archive: &ArchiveTo, segment: &Header) -> bool {
        lock(&self.book).has(&archive.to_string(), segment)
    }

    /// Those of `archives` that are required and do not have the segment, so that it must not be deleted.
    pub fn lacking<'a>(
        &self,
        archives: &'a [Archive],
        segment: &Header,
    ) -> impl Iterator<Item = &'a ArchiveTo> {
        let lacks = |archive: &&Archive| archive.required && !self.has(&archive.to, segment);
        archives.iter().filter(lacks).map(|archive| &archive.to)
    }

    /// How each archive is, in the order of the configuration; `closed` are all closed segments.
    pub fn status(&self, archives: &[Archive], closed: &[Found]) -> Vec<ArchiveStatus> {
        let status = |archive: &Archive| {
            let name = archive.to.to_string();
            let entry = lock(&self.book).get(&name);
            let lacks = |files: &&[Found]| !entry.segments.contains(&id(&files[0].header));
            let waiting = of_each(closed).filter(lacks);
            let failing = lock(&self.failing).get(&name).cloned();
            ArchiveStatus {
                required: archive.required,
                waiting: waiting.count() as u64,
                taken: entry.taken,
                error: failing.as_ref().map(|failing| failing.error.clone()),
                failing_since: failing.map(|failing| failing.since),
                archive: name,
            }
        };
        archives.iter().map(status).collect()
    }

    /// Hands everything over to one archive, oldest first.
    fn serve(
        &self,
        archive: &ArchiveTo,
        segments: &[Found],
        active: u64,
        context: &Context<'_>,
        done: &mut HandedOver,
    ) -> Result<(), Refusal> {
        let name = archive.to_string();
        if let ArchiveTo::Directory(path) = archive {
            Directory { path, context }.begin()?;
        }
        let mut conflict = None;
        for files in of_each(segments).filter(|files| files[0].header.segment < active) {
            if self.has(archive, &files[0].header) {
                continue;
            }
            context.check_stop()?;
            let taken = the_one(files).and_then(|found| self.take(archive, context, found, done));
            match taken {
                Err(Refusal::Conflict(text)) => conflict = conflict.or(Some(text)),
                taken => taken?,
            }
        }
        if let ArchiveTo::Directory(path) = archive {
            let has = |found: &Found| self.has(archive, &found.header);
            // What follows the newest segment that it has begins after that one's last seal.
            let after = segments.iter().rposition(has).and_then(|at| segments.get(at + 1));
            let below = after.map(|found| found.header.first_seq);
            if let Some(below) = below.filter(|below| *below != self.get(&name).seals_below) {
                Directory { path, context }.take_seals(below)?;
                self.remember(&name, |entry| entry.seals_below = below)?;
            }
        }
        conflict.map_or(Ok(()), |text| Err(Refusal::Conflict(text)))
    }

    fn take(
        &self,
        archive: &ArchiveTo,
        context: &Context<'_>,
        found: &Found,
        done: &mut HandedOver,
    ) -> Result<(), Refusal> {
        let bytes = std::fs::metadata(&found.path).map_or(0, |meta| meta.len());
        let taken = match archive {
            ArchiveTo::Directory(path) => Directory { path, context }.take(found),
            ArchiveTo::Exec { command, timeout_seconds } => {
                exec::take(command, Duration::from_secs(*timeout_seconds), context, found)
            }
        };
        taken.map_err(|refusal| match refusal {
            Refusal::Failed(text) => {
                let number = found.header.segment;
                Refusal::Failed(format!("it did not take segment {number}: {text}"))
            }
            other => other,
        })?;
        let now = self.now();
        self.remember(&archive.to_string(), |entry| {
            entry.segments.insert(id(&found.header));
            entry.taken = Some(now);
        })?;
        done.segments += 1;
        done.bytes += bytes;
        Ok(())
    }

    fn now(&self) -> String {
        rfc3339(self.clock.now().wall_ns)
    }

    fn get(&self, name: &str) -> book::Entry {
        lock(&self.book).get(name)
    }

    fn remember(&self, name: &str, change: impl FnOnce(&mut book::Entry)) -> Result<(), Refusal> {
        lock(&self.book).change(name, change).map_err(Refusal::Failed)
    }

    /// Says what is wrong with an archive when that is news, and not at each run.
    fn note(&self, name: &str, outcome: Result<(), Refusal>, done: &mut HandedOver) {
        let mut failing = lock(&self.failing);
        let error = match outcome {
            Err(Refusal::Stopped) => return,
            Err(Refusal::Conflict(text) | Refusal::Failed(text)) => text,
            Ok(()) => {
                if failing.remove(name).is_some() {
                    tracing::info!("the archive {name} takes segments again");
                }
                return;
            }
        };
        let before = failing.get(name).cloned();
        if before.as_ref().is_none_or(|before| before.error != error) {
            tracing::warn!("the archive {name} does not have everything: {error}");
        }
        done.errors.push(format!("the archive {name}: {error}"));
        let since = before.map_or_else(|| self.now(), |before| before.since);
        failing.insert(name.to_owned(), Failing { error, since });
    }
}

/// Of several files that begin alike the one that holds all: a copy may lack lines, and what the archive does
/// not have is deleted one day.
fn the_one(files: &[Found]) -> Result<&Found, Refusal> {
    let number = files[0].header.segment;
    match whole(files) {
        Ok(Some(whole)) => Ok(whole),
        Ok(None) => Err(Refusal::Conflict(format!(
            "several files have the header of segment {number}, and none holds all of the others; run `auditlog verify`"
        ))),
        Err(e) => {
            Err(Refusal::Failed(format!("the files of segment {number} cannot be read: {e}")))
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
