//! Whether a file is another copy than the one the key has to leave.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::cli::error::Error;
use crate::ledger::Paths;
use crate::ledger::auditor::parent;

/// Refuses a new file below the log's own directories, by whatever path they are reached. `true` if it will
/// be on another file system than they are.
pub(super) fn new_file(file: &Path, paths: &Paths) -> Result<bool, Error> {
    let dir = parent(file);
    let dir = dir.canonicalize().map_err(unreadable(dir))?;
    refuse_below_own(file, &dir, paths)?;
    let dev = metadata(&dir)?.dev();
    Ok(fs::metadata(&paths.state_dir).is_ok_and(|state| state.dev() != dev))
}

/// Refuses the host's copy, or a link to it, as somebody's own copy.
pub(super) fn own_copy(file: &Path, paths: &Paths) -> Result<(), Error> {
    let is_host_copy = fs::metadata(paths.auditor_key())
        .is_ok_and(|host| fs::metadata(file).is_ok_and(|own| same(&host, &own)));
    match is_host_copy {
        true => Err(Error::Usage(
            "that is this host's own copy; give yours, so that one is left".into(),
        )),
        false => Ok(()),
    }
}

fn refuse_below_own(file: &Path, dir: &Path, paths: &Paths) -> Result<(), Error> {
    let own = [&paths.log_dir, &paths.state_dir].map(|dir| fs::metadata(dir).ok());
    for above in dir.ancestors() {
        let meta = metadata(above)?;
        if own.iter().flatten().any(|own| same(own, &meta)) {
            let (file, above) = (file.display(), above.display());
            return Err(Error::Usage(format!(
                "'{file}' is in the log's own directory '{above}', and the key has to leave it; name a file elsewhere, best on a medium that leaves this host"
            )));
        }
    }
    Ok(())
}

fn same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

fn metadata(path: &Path) -> Result<Metadata, Error> {
    fs::metadata(path).map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Unusable { path, source }
}
