//! `auditlog keys remove`: the host's copy, once it has been compared with somebody's own.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{advise, elsewhere, is_standard};
use crate::cli::error::{Error, Exit};
use crate::cli::given_key;
use crate::fs::Real;
use crate::ledger::Paths;
use crate::ledger::auditor::HostCopy;

/// Standard input as the file that it is.
const STDIN: &str = "/proc/self/fd/0";

const HELP: &str = "\
For a key that was copied in another way: the copy is given, compared with this host's, and only
if they are the same is this host's overwritten and removed. Digits may be in groups.

Examples:
  ssh root@web1 cat /var/lib/auditlogd/auditor.key | gpg -e -r auditor@example.org -o web1.gpg
  gpg -d web1.gpg | ssh root@web1 auditlog keys remove --auditor -

Exit codes:
  0  removed
  2  the command line or the configuration is wrong, or what was given is no key
  3  nothing was removed: it is another key, it is away already, or something cannot be read";

/// Remove this host's copy of the auditor key after comparing it with yours
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(in crate::cli) struct Remove {
    /// Your copy, 64 hex digits, or `-`: standard input
    #[arg(long, value_name = "FILE")]
    auditor: PathBuf,
}

impl Remove {
    pub(super) fn run(&self, paths: &Paths) -> Result<Exit, Error> {
        let disk = Real::default();
        let file = if is_standard(&self.auditor) { Path::new(STDIN) } else { &self.auditor };
        elsewhere::own_copy(file, paths)?;
        let yours = match is_standard(&self.auditor) {
            true => given_key::hex_from(Ok(std::io::stdin().lock()), &self.auditor),
            false => given_key::hex_file(&self.auditor),
        }?;
        let key = HostCopy::open(&disk, paths)?;
        if !key.is(&yours) {
            return Err(key.different().into());
        }
        key.remove(&disk)?;
        advise("yours");
        Ok(Exit::Done)
    }
}
