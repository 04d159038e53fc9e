//! Events that wait for room in the log, in a file below `run_dir`, which is in memory. It outlives the daemon, and not
//! the host.
//!
//! ```text
//! {"taken":"00000000000000000042"}
//! {"ts":"2026-11-21T01:23:45.123456789Z","uid":1000,"peer":{…},"id":null,"event":{…}}
//! ```
//!
//! The first line says how many bytes from the file's start on are in the log already; it is overwritten in place.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Bytes of the first line.
const HEAD: u64 = r#"{"taken":"00000000000000000000"}"#.len() as u64 + 1;
/// The longest line: an event of 60 KiB with its peer.
const MAX_LINE: usize = 128 * 1024;

/// The file.
pub struct Spool {
    file: File,
    len: u64,
    taken: u64,
}

/// An event that waits.
#[derive(Deserialize)]
pub struct Waiting<'a> {
    /// When it came.
    pub ts: &'a str,
    /// Whose it is.
    pub uid: u32,
    /// Its peer object.
    #[serde(borrow)]
    pub peer: &'a RawValue,
    /// Its id, a JSON string or null.
    #[serde(borrow)]
    pub id: &'a RawValue,
    /// The event.
    #[serde(borrow)]
    pub event: &'a RawValue,
}

impl Spool {
    /// Goes on with the file, or begins one.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.create(true).truncate(false).read(true).write(true).mode(0o600);
        let file = options.custom_flags(nix::libc::O_NOFOLLOW).open(path)?;
        let len = file.metadata()?.len();
        let mut spool = Self { file, len, taken: HEAD };
        match spool.read_head()? {
            Some(taken) if (HEAD..=len).contains(&taken) => {
                spool.taken = taken;
                spool.cut()?;
            }
            _ => spool.clear()?,
        }
        Ok(spool)
    }

    /// Half a line at the end is one that a kill cut off: its client waits with it. What is added must not become a part
    /// of it.
    fn cut(&mut self) -> io::Result<()> {
        let from = self.taken.max(self.len.saturating_sub(MAX_LINE as u64));
        let mut end = vec![0; (self.len - from) as usize];
        self.file.read_exact_at(&mut end, from)?;
        let whole = memchr::memrchr(b'\n', &end).map_or(0, |at| at + 1);
        if whole < end.len() {
            self.len = from + whole as u64;
            self.file.set_len(self.len)?;
        }
        Ok(())
    }

    fn read_head(&self) -> io::Result<Option<u64>> {
        #[derive(Deserialize)]
        struct Head<'a> {
            taken: &'a str,
        }
        let mut head = [0; HEAD as usize];
        if self.len < HEAD {
            return Ok(None);
        }
        self.file.read_exact_at(&mut head, 0)?;
        let head: Option<Head<'_>> = serde_json::from_slice(&head).ok();
        Ok(head.and_then(|head| head.taken.parse().ok()))
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.taken >= self.len
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> u64 {
        self.len.saturating_sub(self.taken)
    }

    /// Adds a line, which ends in LF. After an error it is not there.
    pub fn push(&mut self, line: &[u8]) -> io::Result<()> {
        if let Err(e) = self.file.write_all_at(line, self.len) {
            self.file.set_len(self.len)?;
            return Err(e);
        }
        self.len += line.len() as u64;
        Ok(())
    }

    /// The next whole lines, of some `most` bytes.
    pub fn next(&self, most: usize) -> io::Result<Vec<u8>> {
        let len = self.bytes().min((most + MAX_LINE) as u64) as usize;
        let mut lines = vec![0; len];
        self.file.read_exact_at(&mut lines, self.taken)?;
        let end = match lines.get(most..) {
            Some(rest) => memchr::memchr(b'\n', rest).map(|at| most + at + 1),
            None => None,
        };
        let end = end.or_else(|| memchr::memrchr(b'\n', &lines).map(|at| at + 1));
        lines.truncate(end.unwrap_or(0));
        Ok(lines)
    }

    /// So many bytes more are in the log. When all are, the file is empty again.
    pub fn took(&mut self, bytes: u64) -> io::Result<()> {
        self.taken += bytes;
        if self.is_empty() {
            return self.clear();
        }
        self.write_head()
    }

    /// Nothing more can be taken from it.
    pub fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        (self.len, self.taken) = (HEAD, HEAD);
        self.write_head()
    }

    fn write_head(&self) -> io::Result<()> {
        let head = format!("{{\"taken\":\"{:020}\"}}\n", self.taken);
        self.file.write_all_at(head.as_bytes(), 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_pushed_comes_back_once_also_after_a_restart() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("spool");
        let mut spool = Spool::open(&path).expect("opened");
        assert!(spool.is_empty());
        for line in ["one\n", "two\n", "three\n", "hal"] {
            spool.push(line.as_bytes()).expect("pushed");
        }
        assert_eq!(spool.next(1).expect("read"), b"one\n");
        spool.took(4).expect("noted");
        let mut spool = Spool::open(&path).expect("opened again");
        assert_eq!(spool.next(100).expect("read"), b"two\nthree\n");
        spool.took(10).expect("noted");
        assert_eq!((spool.next(100).expect("read"), spool.bytes()), (Vec::new(), 0));
        spool.clear().expect("cleared");
        assert!(Spool::open(&path).expect("opened again").is_empty());
    }

    #[test]
    fn half_a_line_that_a_kill_left_does_not_spoil_the_next() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("spool");
        let mut spool = Spool::open(&path).expect("opened");
        for line in ["one\n", "hal"] {
            spool.push(line.as_bytes()).expect("pushed");
        }
        let mut spool = Spool::open(&path).expect("opened again");
        spool.push(b"two\n").expect("pushed");
        assert_eq!(spool.next(100).expect("read"), b"one\ntwo\n");
    }

    #[test]
    fn a_file_that_is_none_is_begun_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("spool");
        for damage in ["", "x", "{\"taken\":\"99999999999999999999\"}\n", &"y".repeat(99)] {
            std::fs::write(&path, damage).expect("written");
            assert!(Spool::open(&path).expect("opened").is_empty(), "{damage}");
        }
    }
}
