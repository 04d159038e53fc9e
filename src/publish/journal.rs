//! An anchor that is the system's journal, which forwards to other hosts, or standard error.

use std::io::{self, Write};
use std::os::unix::net::UnixDatagram;

use super::{Context, Delivered, Failure, Target};
use crate::engine::Sealed;

/// Where journald takes messages in its native protocol.
const SOCKET: &str = "/run/systemd/journal/socket";
/// What `journalctl MESSAGE_ID=…` finds checkpoints by.
const MESSAGE_ID: &str = "6f0b5dd0a9a04a2f8e7b0d5c3a1d9e42";

pub(super) struct JournalAnchor {
    /// Standard error is connected to journald; else the note goes to standard error as it is.
    pub journald: bool,
}

impl Target for JournalAnchor {
    fn deliver(&mut self, sealed: &Sealed, _: &Context<'_>) -> Result<Delivered, Failure> {
        // Either way an empty line follows, as in a file: `journalctl -o cat` ends each message with one more LF.
        let (written, what) = match self.journald {
            true => (send(&entry(&sealed.checkpoint, sealed)), "journald did not take it"),
            false => (
                io::stderr().write_all(format!("{}\n", sealed.checkpoint).as_bytes()),
                "standard error did not take it",
            ),
        };
        written.map_err(|e| Failure::Failed(format!("{what}: {e}")))?;
        Ok(Delivered::default())
    }
}

fn send(entry: &[u8]) -> io::Result<()> {
    UnixDatagram::unbound()?.send_to(entry, SOCKET).map(|_| ())
}

/// systemd's "Native Journal Protocol": a value with line breaks has its length, little endian, before it.
fn entry(note: &str, sealed: &Sealed) -> Vec<u8> {
    let mut entry = format!(
        "PRIORITY=5\nSYSLOG_IDENTIFIER=auditlogd\nMESSAGE_ID={MESSAGE_ID}\nAUDITLOGD_LOG_ID={}\nAUDITLOGD_SIZE={}\nMESSAGE\n",
        sealed.log_id, sealed.size
    )
    .into_bytes();
    entry.extend_from_slice(&(note.len() as u64).to_le_bytes());
    entry.extend_from_slice(note.as_bytes());
    entry.push(b'\n');
    entry
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_of_several_lines_is_one_message() {
        let sealed = Sealed { size: 7, log_id: "ab".into(), checkpoint: "x".into() };
        let entry = entry("a\nb\n", &sealed);
        let fields = b"AUDITLOGD_LOG_ID=ab\nAUDITLOGD_SIZE=7\nMESSAGE\n\x04\0\0\0\0\0\0\0a\nb\n\n";
        assert!(entry.ends_with(fields), "{entry:?}");
    }
}
