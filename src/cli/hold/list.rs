//! `auditlog hold list`: what is held, from the file, so that it works without the daemon.

use clap::Args;
use comfy_table::Attribute;

use crate::cli::context::Context;
use crate::cli::error::{Error, Exit};
use crate::cli::output::{Form, Look, Out, note};
use crate::cli::table::{Column, Field};
use crate::maintain::holds::Holds;
use crate::retention::Hold;

const HELP: &str = "\
Examples:
  auditlog hold list
  auditlog hold list --format json | jq -r '.[].id'

Exit codes:
  0  done, also if nothing is held
  2  the command line or the configuration is wrong
  3  the holds cannot be read; nothing is deleted until they can";

/// Show the holds in force
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(in crate::cli) struct List {
    /// In which form to print them
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Form,
}

static COLUMNS: [Column; 5] = [
    Column { name: "NAME", min: 16, usual: 12, drop: 0, right: false },
    Column { name: "EVENTS", min: 16, usual: 40, drop: 0, right: false },
    Column { name: "REASON", min: 12, usual: 30, drop: 3, right: false },
    Column { name: "BY", min: 4, usual: 6, drop: 1, right: true },
    Column { name: "ADDED", min: 19, usual: 19, drop: 2, right: false },
];

impl List {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let holds = Holds::load(&context.config()?.state_dir)?;
        match self.format {
            Form::Json => out.json(&holds)?,
            Form::Text if holds.is_empty() => note("nothing is held"),
            Form::Text => {
                let rows: Vec<_> = holds.iter().map(|hold| row(hold, &out.look)).collect();
                out.table(&COLUMNS, &rows)?;
            }
        }
        out.flush()?;
        Ok(Exit::Done)
    }
}

fn row(hold: &Hold, look: &Look) -> Vec<Field> {
    vec![
        Field { attribute: Some(Attribute::Bold), ..Field::new(&hold.id) },
        Field::new(&hold.to_string()),
        Field::new(&hold.reason),
        Field::new(&format!("uid {}", hold.by_uid)),
        Field::new(&look.time_of(&hold.added)),
    ]
}
