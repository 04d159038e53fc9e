//! An anchor that is a file: on another machine's disk, on a medium that can be written once, or a
//! serial line.
//!
//! It is not one of the log's own files, so it does not go through [`crate::fs`]: it may be a device, it
//! is everybody's to read, and it is opened anew each time, for it may have been rotated or remounted.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::{Delivered, Failure, Target};
use crate::engine::Sealed;
use crate::ledger::Paths;

pub(super) struct FileAnchor {
    pub path: PathBuf,
    /// Where it must not lead: what stands beside the log vouches for nothing.
    pub paths: Paths,
    /// The last write may have stopped half-way.
    pub torn: bool,
}

impl Target for FileAnchor {
    fn deliver(&mut self, sealed: &Sealed, _: &super::Context<'_>) -> Result<Delivered, Failure> {
        let failed = |e: io::Error| {
            let advice = advice(e.kind());
            Failure::Failed(format!("it could not be written: {e}{advice}"))
        };
        let mut file = self.open().map_err(failed)?;
        let before = if self.torn { "\n\n" } else { "" };
        let text = format!("{before}{}\n", sealed.checkpoint);
        let len = file.metadata().map_err(failed)?.len();
        let written = file.write_all(text.as_bytes()).and_then(|()| sync(&file));
        self.torn = written.is_err() && !undo(&file, len, text.len());
        written.map_err(failed)?;
        Ok(Delivered::default())
    }
}

impl FileAnchor {
    fn open(&self) -> io::Result<File> {
        let parent = self.path.parent().unwrap_or(&self.path);
        self.refuse_own(&std::fs::canonicalize(parent)?)?;
        // A FIFO that nobody reads must be an error and not make the open wait.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let mut options = OpenOptions::new();
        options.append(true).custom_flags(flags.bits());
        let file = match options.open(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let file = options.create_new(true).mode(0o644).open(&self.path)?;
                // Whatever the umask: checkpoints are public.
                file.set_permissions(Permissions::from_mode(0o644))?;
                file
            }
            opened => opened?,
        };
        self.refuse_own(&std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?)?;
        // A slow line, on the other hand, takes the time it takes.
        let kept = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
        fcntl(&file, FcntlArg::F_SETFL(kept - OFlag::O_NONBLOCK))?;
        Ok(file)
    }

    fn refuse_own(&self, found: &Path) -> io::Result<()> {
        let inside =
            |dir: &Path| std::fs::canonicalize(dir).is_ok_and(|dir| found.starts_with(dir));
        if inside(&self.paths.log_dir) || inside(&self.paths.state_dir) {
            let text =
                format!("{found:?} is with the log itself, where it would vouch for nothing");
            return Err(io::Error::other(text));
        }
        Ok(())
    }
}

/// Cuts what a failed write left, for a reader would take it for a damaged checkpoint. Says whether nothing
/// is left: a device or a write-once medium keeps what it has.
fn undo(file: &File, len: u64, text: usize) -> bool {
    let ours = |found: u64| found.checked_sub(len).is_some_and(|more| more <= text as u64);
    let regular = file.metadata().is_ok_and(|meta| meta.is_file() && ours(meta.len()));
    regular && file.set_len(len).is_ok()
}

/// What the operator can do about a file that cannot be opened.
fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => "; create its directory",
        io::ErrorKind::ReadOnlyFilesystem => {
            "; under systemd its directory has to be in ReadWritePaths= of a drop-in"
        }
        io::ErrorKind::PermissionDenied => {
            "; its directory has to be the daemon's to write, and to be there when the daemon starts"
        }
        _ => "",
    }
}

/// Devices have nothing to sync.
fn sync(file: &File) -> io::Result<()> {
    match file.sync_all() {
        Err(e) if [Errno::EINVAL, Errno::ENOTSUP].contains(&errno(&e)) => Ok(()),
        synced => synced,
    }
}

fn errno(e: &io::Error) -> Errno {
    Errno::from_raw(e.raw_os_error().unwrap_or_default())
}
