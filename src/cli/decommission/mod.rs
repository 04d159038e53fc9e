//! `auditlog decommission`: the end of a log on its host.

mod confirm;
mod offline;
mod online;

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;

use self::confirm::confirm;
use super::context::{Context, paths};
use super::error::{Error, Exit};
use super::output::{Out, note};
use crate::ledger::auditor::Whereabouts;
use crate::ledger::{Decommissioned, Paths, segment};

const HELP: &str = "\
The daemon takes in what clients have sent, writes why and by whom the log was ended, seals it and
stops; without a daemon this command does it. The last checkpoint then goes to standard output:
kept elsewhere, it proves what the log was, also after it has been deleted here. No daemon starts
on this log any more, and purging the package deletes log and keys, which it does not do otherwise.
Nothing is deleted by this command, and the log can be verified and searched as before.

To begin a new log on this host, move the log and the state directory away. To go on with this one
after all, remove the file `decommissioned` in its state directory: the log then shows both.

For root and the daemon's own user.

Examples:
  sudo auditlog decommission --reason 'the host is replaced by web2' -o /media/usb/web1.checkpoint
  sudo auditlog decommission --reason 'end of test' --yes 9f86d081884c7d65 > web1.checkpoint
  sudo cp -a /var/log/auditlogd /var/lib/auditlogd /media/usb/ && sudo apt purge auditlogd

Exit codes:
  0  the log is at its end, and no daemon runs on it
  2  the command line or the configuration is wrong, or it was not confirmed: nothing has changed
  3  it could not be done, or the log is decommissioned already: the message says which";

/// Say that this log has come to its end on this host, and may be deleted
///
/// Asks for the log's id, so that it is not another host's.
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(super) struct Decommission {
    /// Why, for people; it is in the log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// The log's id, or its first 8 digits and more, in place of typing it
    #[arg(long, value_name = "LOGID")]
    yes: Option<String>,
    /// Also write the last checkpoint to this new file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Decommission {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        crate::retention::check_reason(&self.reason).map_err(Error::Usage)?;
        let config = context.config()?;
        let paths = paths(config);
        may_decommission(&paths)?;
        still_goes_on(&paths)?;
        let unreadable = |source| Error::Directory { path: paths.log_dir.clone(), source };
        let segments = segment::list(&paths.log_dir).map_err(unreadable)?;
        let Some(last) = segments.last() else {
            return Err(Error::NoLog { path: paths.log_dir });
        };
        confirm(&last.header, &paths, self.yes.as_deref(), out)?;
        // Before the end: a file that cannot be made must not cost the checkpoint.
        let kept = self.output.as_deref().map(new_file).transpose()?;
        let ended = match online::decommission(config, &paths, &self.reason) {
            Err(Error::Control(e)) if online::nobody_listens(&e) => {
                offline::decommission(config, &paths, &self.reason)
            }
            asked => asked,
        };
        let ended = ended.inspect_err(|_| self.discard())?;
        if let Some((mut file, path)) = kept {
            let written =
                file.write_all(ended.checkpoint.as_bytes()).and_then(|()| file.sync_all());
            written.map_err(|source| Error::File { action: "write", path: path.into(), source })?;
        }
        tell(&ended, &paths, out)?;
        Ok(Exit::Done)
    }

    /// Takes the file for the checkpoint away, which is empty still.
    fn discard(&self) {
        if let Some(path) = &self.output {
            let _an_empty_file_stays = std::fs::remove_file(path);
        }
    }
}

/// The daemon would refuse anybody else; this is before the question.
fn may_decommission(paths: &Paths) -> Result<(), Error> {
    let uid = nix::unistd::geteuid().as_raw();
    let owner = std::fs::metadata(&paths.state_dir).map(|meta| meta.uid());
    match owner {
        Ok(owner) if uid != 0 && uid != owner => {
            Err(Error::Refused("only root and the daemon's own user may decommission a log".into()))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            Err(Error::NoLog { path: paths.state_dir.clone() })
        }
        _ => Ok(()),
    }
}

fn still_goes_on(paths: &Paths) -> Result<(), Error> {
    let path = paths.decommissioned();
    match Decommissioned::of(paths) {
        Ok(None) => Ok(()),
        Ok(Some(ended)) => Err(Error::Decommission(format!(
            "nothing to do: this log was {ended}; its last checkpoint is in '{}'",
            path.display()
        ))),
        Err(source) => Err(Error::File { action: "read", path, source }),
    }
}

fn new_file(path: &Path) -> Result<(File, &Path), Error> {
    let created = File::create_new(path);
    let failed = |source| Error::File { action: "create", path: path.into(), source };
    Ok((created.map_err(failed)?, path))
}

fn tell(ended: &Decommissioned, paths: &Paths, out: &mut Out) -> Result<(), Error> {
    out.with(|writer, _| write!(writer, "{}", ended.checkpoint))?;
    out.flush()?;
    note(format!(
        "log {} is {ended}\n\
         keep the checkpoint above off this host: it proves what the log was\n\
         purging the package now deletes '{}' and '{}': copy them first if they have to be kept",
        ended.log_id,
        paths.log_dir.display(),
        paths.state_dir.display()
    ));
    if let Ok(here @ Whereabouts::OnHost { .. }) = Whereabouts::of(paths) {
        note(format!("the auditor key, which proves every line of a copy, is {here}"));
    }
    Ok(())
}
