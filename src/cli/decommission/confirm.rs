//! Whether it is really this log.

use std::io::{self, BufRead, IsTerminal};

use crate::cli::error::Error;
use crate::cli::output::Out;
use crate::cli::text::visible;
use crate::ledger::Paths;
use crate::ledger::segment::Header;

/// How many digits of the id are enough.
const ENOUGH: usize = 8;

/// Compares what was given, or is typed, with the log's id.
pub(super) fn confirm(
    log: &Header,
    paths: &Paths,
    given: Option<&str>,
    out: &mut Out,
) -> Result<(), Error> {
    let id = &log.log_id;
    let typed = match given {
        Some(given) => given.to_owned(),
        None if io::stdin().is_terminal() && out.look.terminal => ask(log, paths, out)?,
        None => {
            return Err(Error::Usage(format!(
                "this ends the log {id} of host '{}' for good; give its id with --yes to confirm that",
                visible(&log.host)
            )));
        }
    };
    let typed = typed.trim().to_ascii_lowercase();
    match typed.len() >= ENOUGH && id.starts_with(&typed) {
        true => Ok(()),
        false => Err(Error::Usage(format!(
            "nothing was changed: {typed:?} is not the log's id, which is {id}"
        ))),
    }
}

fn ask(log: &Header, paths: &Paths, out: &mut Out) -> Result<String, Error> {
    let (host, log_dir) = (visible(&log.host), paths.log_dir.display());
    out.with(|writer, _| {
        writeln!(writer, "This ends the log of host '{host}' in '{log_dir}' for good.")?;
        writeln!(writer, "Its id: {}", log.log_id)?;
        write!(writer, "Type the id, or at least its first {ENOUGH} digits, to confirm: ")
    })?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(Error::Input)?;
    Ok(answer)
}
