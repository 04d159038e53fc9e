//! `auditlog keys export`: the auditor key to somewhere else, once.

use std::fs;
use std::io::{self, BufRead, ErrorKind, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::elsewhere;
use super::{advise, is_standard};
use crate::cli::error::{Error, Exit};
use crate::cli::output::{Out, note};
use crate::fs::Real;
use crate::keysheet::{groups, qr_lines};
use crate::ledger::Paths;
use crate::ledger::auditor::HostCopy;

/// How often a pipe's reader is looked at.
const LOOK: Duration = Duration::from_millis(20);

const HELP: &str = "\
FILE is created with mode 0600, synced and read back before this host's copy is overwritten
and removed, so there is a whole copy at every moment. Best is a FILE on a medium that then
leaves this host.

With `-` the key goes to standard output. On a terminal it is shown as text and as a QR code,
and removed once you have typed yes. Into a pipe it goes as one line of 64 hex digits, and is
removed when the reader has taken it; that says nothing about what the reader does with it. To
be sure of that, copy the file yourself and have your copy compared: see
`auditlog keys remove --help`.

Examples:
  auditlog keys export --auditor /media/usb/web1.auditor.key
  auditlog keys export --auditor -
  ssh root@web1 auditlog keys export --auditor - | gpg -e -r auditor@example.org -o web1.auditor.gpg

Exit codes:
  0  done: the key is in FILE, and no longer in this host's state directory
  2  the command line or the configuration is wrong, or FILE would not take the key off this host
  3  the message says what happened: the key is away already, FILE exists or cannot be written,
     or the copy is made but this host's could not be removed";

/// Take the auditor key off this host, once
///
/// For root or the daemon's own user; the daemon may run meanwhile.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(in crate::cli) struct Export {
    /// Write the auditor key to this new file, or `-`: show it
    #[arg(long, value_name = "FILE")]
    auditor: PathBuf,
}

impl Export {
    pub(super) fn run(&self, paths: &Paths, out: &mut Out) -> Result<Exit, Error> {
        let disk = Real::default();
        if is_standard(&self.auditor) {
            let way = Way::of_stdout()?;
            let key = HostCopy::open(&disk, paths)?;
            if !way.give(&key, out)? {
                note("nothing was removed: the auditor key is still on this host");
                return Ok(Exit::Io);
            }
            key.remove(&disk)?;
            advise("what went to standard output");
            return Ok(Exit::Done);
        }
        let other_file_system = elsewhere::new_file(&self.auditor, paths)?;
        let key = HostCopy::open(&disk, paths)?;
        key.copy_to(&disk, &self.auditor)?;
        key.remove(&disk)?;
        let file = self.auditor.display();
        advise(&format!("'{file}'"));
        if !other_file_system {
            note(format!(
                "warning: '{file}' is on the same file system as the log's keys: move it off this host now"
            ));
        }
        Ok(Exit::Done)
    }
}

/// How the key leaves by standard output.
enum Way {
    /// Somebody looks.
    Terminal,
    /// Another program reads, from a pipe or from a socket as sshd has it.
    Pipe,
}

impl Way {
    /// Anything else would be a file without the care that a named one gets, the journal, or no copy at
    /// all.
    fn of_stdout() -> Result<Self, Error> {
        let stdout = io::stdout();
        if stdout.is_terminal() {
            return Ok(Self::Terminal);
        }
        let is_read_by_a_program = fs::metadata("/proc/self/fd/1").is_ok_and(|meta| {
            let journal = std::env::var("JOURNAL_STREAM").unwrap_or_default();
            let kind = meta.file_type();
            kind.is_fifo()
                || kind.is_socket() && journal != format!("{}:{}", meta.dev(), meta.ino())
        });
        match is_read_by_a_program {
            true => Ok(Self::Pipe),
            false => Err(Error::Usage(
                "standard output is neither a terminal nor a pipe; name the file: --auditor FILE"
                    .into(),
            )),
        }
    }

    /// Whether somebody has the key now.
    fn give(&self, key: &HostCopy, out: &mut Out) -> Result<bool, Error> {
        match self {
            Self::Terminal => {
                out.line("The auditor key, secret:")?;
                for line in groups(key.hex()).lines() {
                    out.line(format_args!("  {line}"))?;
                }
                for line in qr_lines(key.hex(), out.look.color) {
                    out.line(&*line)?;
                }
                out.with(|writer, _| {
                    write!(
                        writer,
                        "Type yes once you have kept it; it is then removed from this host: "
                    )
                })?;
                out.flush()?;
                let mut answer = String::new();
                io::stdin().lock().read_line(&mut answer).map_err(Error::Input)?;
                Ok(answer.trim().eq_ignore_ascii_case("yes"))
            }
            Self::Pipe => match out.line(key.hex()).and_then(|()| out.flush()) {
                Err(Error::Output(e)) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
                sent => sent.map(|()| taken_by_the_reader()),
            },
        }
    }
}

/// Waits until the pipe is empty; `false` if its reader goes away before. Of a socket the kernel does not
/// tell it here.
fn taken_by_the_reader() -> bool {
    let stdout = io::stdout();
    loop {
        let mut ends = [PollFd::new(stdout.as_fd(), PollFlags::empty())];
        let gone = poll(&mut ends, PollTimeout::ZERO).is_ok()
            && ends[0].revents().is_some_and(|now| now.contains(PollFlags::POLLERR));
        match rustix::io::ioctl_fionread(&stdout) {
            Ok(0) => return true,
            Ok(_) if gone => return false,
            Ok(_) => std::thread::sleep(LOOK),
            Err(_) => return false,
        }
    }
}
