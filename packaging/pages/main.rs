//! Writes the manual pages and the completions; `packaging/generate` runs it. An example, so that what it is
//! made with is no part of the programs.

mod generate;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(out) = std::env::args_os().nth(1) else {
        eprintln!("name the directory to write to: packaging/generate does");
        return ExitCode::from(2);
    };
    let made = generate::date().and_then(|date| generate::all(Path::new(&out), &date));
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("the pages cannot be made in {out:?}: {e}");
            ExitCode::FAILURE
        }
    }
}
