//! Opening a spool: whose it is, what is in it, and what a crash left behind.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::{HEADER, LONGEST, MARK, Spool, SpoolError};

/// How often a spool that another process has is tried again.
const AGAIN: Duration = Duration::from_millis(10);

/// What a spool holds.
struct Content {
    /// Bytes of whole lines.
    len: u64,
    /// Where the last event ends.
    end: u64,
    /// Up to where everything is answered.
    answered: u64,
    /// Events after that.
    events: u64,
}

impl Spool {
    /// Opens the file, making it for its owner alone, and waits so long for another process that has it. With
    /// it come the bytes of an unfinished last line, which is gone now.
    pub fn open(path: &Path, limit: u64, patience: Duration) -> Result<(Self, u64), SpoolError> {
        let until = Instant::now() + patience;
        let file = loop {
            match lock(path)? {
                Some(file) => break file,
                None if Instant::now() < until => std::thread::sleep(AGAIN),
                None => return Err(SpoolError::InUse { path: path.into() }),
            }
        };
        let failed = |action, source| SpoolError::Io { action, path: path.into(), source };
        let size = file.metadata().map_err(|source| failed("read", source))?.len();
        if size == 0 {
            // A file that a crash of the host takes away keeps nothing.
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
            let dir = File::open(dir.unwrap_or(Path::new(".")));
            dir.and_then(|dir| dir.sync_all()).map_err(|source| failed("make", source))?;
        }
        let content = scan(&file).map_err(|source| failed("read", source))?;
        let content =
            content.map_err(|why| SpoolError::NotASpool { path: path.into(), why: why.into() })?;
        let torn = size - content.len;
        if torn > 0 {
            file.set_len(content.len).map_err(|source| failed("write", source))?;
        }
        let Content { mut len, mut end, mut answered, events } = content;
        if events == 0 && len > 0 {
            file.set_len(0).map_err(|source| failed("empty", source))?;
            (len, end, answered) = (0, 0, 0);
        }
        let path = path.into();
        let spool = Self {
            path,
            file,
            limit,
            len,
            end,
            read: answered,
            marked: answered,
            answered,
            events,
        };
        Ok((spool, torn))
    }
}

/// The file, locked; `None` while another process has it.
fn lock(path: &Path) -> Result<Option<Flock<File>>, SpoolError> {
    let failed = |source| SpoolError::Io { action: "open", path: path.into(), source };
    let not = |why: String| SpoolError::NotASpool { path: path.into(), why };
    // Neither following a link that somebody put there, nor waiting for the other end of a FIFO.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(flags.bits()).open(path);
    let file = match file {
        Err(e) if e.raw_os_error() == Some(Errno::ELOOP as i32) => {
            return Err(not("it is a symbolic link".into()));
        }
        file => file.map_err(failed)?,
    };
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() {
        return Err(not("it is no regular file".into()));
    }
    // The daemon asks the kernel who sends: events of another user would come in under this one's name.
    if found.uid() != nix::unistd::geteuid().as_raw() {
        return Err(not(format!("it belongs to uid {}, who alone can send it", found.uid())));
    }
    let file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => file,
        Err((_, Errno::EAGAIN)) => return Ok(None),
        Err((_, errno)) => return Err(failed(errno.into())),
    };
    // Whoever had it may have removed it.
    let same = |now: std::fs::Metadata| (now.dev(), now.ino()) == (found.dev(), found.ino());
    Ok(std::fs::symlink_metadata(path).is_ok_and(same).then_some(file))
}

/// Reads a whole file; the inner error says why it is no spool.
fn scan(file: &File) -> io::Result<Result<Content, &'static str>> {
    let mut reader = BufReader::new(file);
    let (mut len, mut answered, mut line) = (0, 0, Vec::new());
    // Where each event ends that is not answered, and where the last one does.
    let (mut ends, mut end) = (VecDeque::new(), 0);
    loop {
        line.clear();
        reader.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut line)?;
        if !line.ends_with(b"\n") {
            let foreign = len == 0 && !HEADER.starts_with(&line);
            return Ok(match () {
                () if foreign => Err("its first line is not a spool's"),
                () if line.len() > LONGEST => Err("it has a line of more than 1 MiB"),
                () => Ok(Content { len, end, answered, events: ends.len() as u64 }),
            });
        }
        if len == 0 && line != HEADER {
            return Ok(Err("its first line is not a spool's"));
        }
        len += line.len() as u64;
        match mark(&line) {
            _ if len == HEADER.len() as u64 => (answered, end) = (len, len),
            Some(until) => {
                answered = until.clamp(answered, end);
                while ends.front().is_some_and(|end| *end <= answered) {
                    ends.pop_front();
                }
            }
            None => {
                end = len;
                ends.push_back(len);
            }
        }
    }
}

/// The offset that a mark names; one that cannot be read names none.
fn mark(line: &[u8]) -> Option<u64> {
    if !line.starts_with(b" ") {
        return None;
    }
    let text = std::str::from_utf8(line).unwrap_or_default().trim_end();
    let offset = text.strip_prefix(MARK).and_then(|rest| rest.strip_suffix('}'));
    Some(offset.and_then(|digits| digits.parse().ok()).unwrap_or(0))
}
