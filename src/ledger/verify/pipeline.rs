//! Who does what at the same time: one thread reads, all cores check blocks, and the caller's thread joins
//! the results in the order of the log. Only so many blocks are on their way at once, however large the
//! log is.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::blocks::{Blocks, Broken};
use super::keyring::Keys;
use super::snapshot::Snapshot;
use super::worker::{self, Block, Step, Terms};
use crate::ledger::segment::{self, Encoding, Found};

/// What comes next in the log.
pub enum Item {
    /// A segment begins; its lines follow from `offset` on.
    Segment { found: Box<Found>, path: PathBuf, at: Option<At> },
    /// Lines, which a worker is checking.
    Block(Receiver<Vec<Step>>),
    /// The segment was read to its end.
    End,
    /// It was not, and nothing follows.
    Broken(PathBuf, Broken),
}

/// A place in a segment.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// The leaf that stands there.
    pub seq: u64,
    /// Its line, from 1.
    pub line: u64,
    /// Bytes before it.
    pub offset: u64,
}

/// What is to be read.
pub struct Source<'a> {
    pub snapshot: &'a Snapshot,
    /// The first segment to read, and where in it to begin.
    pub first: usize,
    pub at: Option<At>,
    pub keys: Option<Keys>,
}

struct Job {
    block: Block,
    reply: SyncSender<Vec<Step>>,
}

/// Reads the source and gives every item to `join`, in order, until that fails.
pub fn run<E>(
    source: Source<'_>,
    terms: &Terms,
    no_thread: impl Fn(io::Error) -> E,
    mut join: impl FnMut(Item) -> Result<(), E>,
) -> Result<(), E> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let (jobs, waiting) = mpsc::channel();
    let (items, incoming) = mpsc::sync_channel(workers + 2);
    let waiting = Mutex::new(waiting);
    thread::scope(|scope| {
        // Dropped on the way out, which ends the reader, and with it the workers.
        let incoming = incoming;
        for _ in 0..workers {
            let spawned = thread::Builder::new().spawn_scoped(scope, || work(&waiting, terms));
            spawned.map_err(&no_thread)?;
        }
        let reader = Reader { jobs, items };
        // The reader ends early when nobody takes its items any more.
        let read = move || drop(reader.run(source));
        thread::Builder::new().spawn_scoped(scope, read).map_err(&no_thread)?;
        incoming.iter().try_for_each(&mut join)
    })
}

fn work(waiting: &Mutex<Receiver<Job>>, terms: &Terms) {
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(Job { block, reply }) = next() {
        // Nobody waits for it after a finding.
        let _ = reply.send(worker::check(&block, terms));
    }
}

struct Reader {
    jobs: Sender<Job>,
    items: SyncSender<Item>,
}

/// The verification has ended.
struct Gone;

impl<T> From<mpsc::SendError<T>> for Gone {
    fn from(_: mpsc::SendError<T>) -> Self {
        Gone
    }
}

impl Reader {
    fn run(&self, mut source: Source<'_>) -> Result<(), Gone> {
        let segments = &source.snapshot.segments;
        let last = segments.len().saturating_sub(1);
        for (n, (found, len)) in segments.iter().enumerate().skip(source.first) {
            let limit = (n == last).then_some(*len);
            let path = match self.segment(&mut source, found, limit)? {
                Ok(()) => continue,
                Err((path, broken)) => Item::Broken(path, broken),
            };
            self.items.send(path)?;
            break;
        }
        Ok(())
    }

    /// Reads a segment; of the newest one only `limit` bytes, and its last line may be unfinished.
    fn segment(
        &self,
        source: &mut Source<'_>,
        found: &Found,
        limit: Option<u64>,
    ) -> Result<Result<(), (PathBuf, Broken)>, Gone> {
        let header = found.header.to_line().len() as u64;
        let at = source.at.take();
        let start = at.map_or(header, |at| at.offset);
        if let Some(keys) = &mut source.keys {
            let first = at.map_or(found.header.first_seq, |at| at.seq);
            if let Err(e) = keys.skip_to(first) {
                return Ok(Err((found.path.clone(), Broken::Unreadable(e))));
            }
        }
        let opened = segment::reopen(found).and_then(|(found, file)| {
            let (_, reader) = segment::contents_at(file, start)?;
            Ok((found.path, reader, found.encoding == Encoding::Plain))
        });
        let (path, reader, plain) = match opened {
            Ok(opened) => opened,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Ok(Err((found.path.clone(), Broken::Gone)));
            }
            Err(e) => return Ok(Err((found.path.clone(), Broken::Unreadable(e)))),
        };
        let segment = Item::Segment { found: Box::new(found.clone()), path: path.clone(), at };
        self.items.send(segment)?;
        let limit = limit.filter(|_| plain);
        let mut blocks = Blocks::new(reader, limit.map_or(u64::MAX, |len| len - start.min(len)));
        let mut first_seq = at.map_or(found.header.first_seq, |at| at.seq);
        while let Some(bytes) = blocks.next() {
            let keys = source.keys.as_mut().map(|keys| keys.keys_of(&bytes)).transpose();
            let keys = match keys {
                Ok(keys) => keys,
                Err(e) => return Ok(Err((path, Broken::Unreadable(e)))),
            };
            let lines = memchr::memchr_iter(b'\n', &bytes).count() as u64;
            self.block(Block { bytes, first_seq, keys })?;
            first_seq += lines;
        }
        match blocks.end(limit.is_some()) {
            Ok(()) => Ok(Ok(self.items.send(Item::End)?)),
            Err(broken) => Ok(Err((path, broken))),
        }
    }

    fn block(&self, block: Block) -> Result<(), Gone> {
        let (reply, result) = mpsc::sync_channel(1);
        // This waits while too many are on their way.
        self.items.send(Item::Block(result))?;
        Ok(self.jobs.send(Job { block, reply })?)
    }
}
