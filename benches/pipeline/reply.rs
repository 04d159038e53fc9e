//! One connection of the load generator, and what the daemon answers on it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// Whether a read waits until there is something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    Yes,
    No,
}

#[derive(Deserialize)]
struct Reply {
    ack: Option<Ack>,
    /// The greeting.
    auditlog: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Ack {
    line: u64,
    seq: u64,
}

/// A connection that was greeted, with the daemon's acknowledgements as they come.
pub struct Connection {
    pub stream: UnixStream,
    unread: Vec<u8>,
    /// Lines that are acknowledged.
    pub acked: u64,
    /// The sequence number of the last of them.
    pub seq: u64,
}

impl Connection {
    /// Connects; with `acks`, asks for them and waits for the daemon's greeting.
    pub fn open(socket: &Path, acks: bool) -> Self {
        let mut stream = UnixStream::connect(socket).expect("connects");
        if acks {
            stream.write_all(b"{\"auditlog\":{\"ack\":true}}\n").expect("greets");
            let mut greeting = String::new();
            // Nothing else comes before an event is sent.
            BufReader::new(&stream).read_line(&mut greeting).expect("is greeted");
            let reply: Reply = serde_json::from_str(&greeting).expect("a greeting is JSON");
            assert!(reply.auditlog.is_some(), "no greeting: {greeting}");
        }
        Self { stream, unread: Vec::new(), acked: 0, seq: 0 }
    }

    /// Takes in the acks that are there. Anything else that the daemon says ends the bench: every event is one that it
    /// has to take.
    pub fn read_acks(&mut self, wait: Wait) {
        let mut buffer = [0; 4096];
        let flags = if wait == Wait::Yes { RecvFlags::empty() } else { RecvFlags::DONTWAIT };
        let read = match recv(&self.stream, &mut buffer[..], flags) {
            Ok((0, _)) => panic!("the daemon has closed the connection after {} acks", self.acked),
            Ok((read, _)) => read,
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(e) => panic!("no reply: {e}"),
        };
        self.unread.extend_from_slice(&buffer[..read]);
        let Some(end) = self.unread.iter().rposition(|byte| *byte == b'\n') else { return };
        for line in self.unread[..end].split(|byte| *byte == b'\n') {
            let reply = serde_json::from_slice(line);
            let Ok(Reply { ack: Some(ack), .. }) = reply else {
                panic!("not an ack: {}", String::from_utf8_lossy(line));
            };
            assert!(ack.line > self.acked && ack.seq >= self.seq, "acks go up");
            (self.acked, self.seq) = (ack.line, ack.seq);
        }
        self.unread.drain(..=end);
    }

    /// Waits until so many lines are acknowledged.
    pub fn wait_for(&mut self, lines: u64) {
        while self.acked < lines {
            self.read_acks(Wait::Yes);
        }
        assert_eq!(self.acked, lines, "no more than was sent");
    }
}
