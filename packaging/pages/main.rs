//! Writes the manual pages and the completions; `packaging/generate` runs it. An example, so that what it is
//! made with is no part of the programs.

mod generate;

use std::io;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(out) = std::env::args_os().nth(1) else {
        eprintln!("name the directory to write to: packaging/generate does");
        return ExitCode::from(2);
    };
    let made = date().and_then(|date| generate::all(Path::new(&out), &date));
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("the pages cannot be made in {out:?}: {e}");
            ExitCode::FAILURE
        }
    }
}

/// The date on the pages, `YYYY-MM-DD`: that of SOURCE_DATE_EPOCH (reproducible-builds.org), or today.
fn date() -> io::Result<String> {
    let now = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(seconds) => seconds
            .parse()
            .ok()
            .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
            .ok_or_else(|| io::Error::other("SOURCE_DATE_EPOCH is no number of seconds"))?,
        Err(_) => jiff::Timestamp::now(),
    };
    Ok(now.strftime("%Y-%m-%d").to_string())
}
