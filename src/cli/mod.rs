//! The tool `auditlog`: one file a command.

mod account;
mod args;
mod attest;
mod config;
mod context;
mod daemon;
mod decommission;
mod emit;
mod error;
mod format;
mod given_key;
mod hold;
mod keys;
mod maintain;
mod output;
mod progress;
mod prove;
mod query;
mod record;
mod reindex;
mod reload;
mod rotate;
mod search;
mod show;
mod status;
mod table;
mod tail;
mod text;
mod time;
mod verify;
mod verify_proof;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use self::context::{Context, Global};
use self::error::{Error, Exit};
use self::output::{Out, note};

const HELP: &str = "\
Examples:
  auditlog emit --type auth.login --actor alice --outcome failure
  auditlog query --since 24h --priority warning
  auditlog tail -f
  auditlog show 4711

Exit codes:
  0  done
  1  nothing matched; emit: some events were rejected; config check: not valid
  2  the command line or the configuration is wrong
  3  something cannot be read or written, or the daemon cannot be reached
  4  verify, attest: TAMPERED; verify-proof: FALSE; account: CONTRADICTION
  5  verify, attest, account: INCOMPLETE
  6  verify, attest, account, verify-proof: UNVERIFIABLE

Which log: root works on the system's own (/run/auditd.sock, /var/lib/auditlogd), anybody else on
one below $XDG_STATE_HOME/auditlogd, or on the system's if there is none; --root DIR takes the one
below DIR, --root / the system's.";

/// Write to this host's audit log, and read it
#[derive(Parser, Debug)]
#[command(name = "auditlog", version, after_long_help = HELP, max_term_width = 100)]
#[command(disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    global: Global,
}

#[derive(Subcommand, Debug)]
enum Command {
    Emit(Box<emit::Emit>),
    Query(query::Query),
    Tail(tail::Tail),
    Show(show::Show),
    Status(status::Status),
    Verify(verify::Verify),
    Prove(prove::Prove),
    VerifyProof(verify_proof::VerifyProof),
    Attest(attest::Attest),
    Account(account::Account),
    Keys(keys::Keys),
    Reindex(reindex::Reindex),
    Rotate(rotate::Rotate),
    Reload(reload::Reload),
    Hold(hold::Hold),
    Maintain(maintain::Maintain),
    Config(config::Config),
    Decommission(decommission::Decommission),
}

/// The command line of the tool, for whoever makes manual pages and completions of it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Runs the tool with the arguments of this process; its exit code.
pub fn run() -> ExitCode {
    let Cli { command, global } = Cli::parse();
    global.set_color();
    let result = dispatch(&command, &Context::new(global));
    result
        .unwrap_or_else(|error| {
            let exit = error.exit();
            if exit != Exit::Done {
                note(format!("error: {}", text::visible(&error.to_string())));
            }
            exit
        })
        .into()
}

fn dispatch(command: &Command, context: &Context) -> Result<Exit, Error> {
    let mut out = Out::stdout();
    match command {
        Command::Emit(emit) => emit.run(context, &mut out),
        Command::Query(query) => query.run(context, &mut out),
        Command::Tail(tail) => tail.run(context, &mut out),
        Command::Show(show) => show.run(context, &mut out),
        Command::Status(status) => status.run(context, &mut out),
        Command::Verify(verify) => verify.run(context, &mut out),
        Command::Prove(prove) => prove.run(context, &mut out),
        Command::VerifyProof(proof) => proof.run(&mut out),
        Command::Attest(attest) => attest.run(context, &mut out),
        Command::Account(account) => account.run(context, &mut out),
        Command::Keys(keys) => keys.run(context, &mut out),
        Command::Reindex(reindex) => reindex.run(context, &mut out),
        Command::Rotate(rotate) => rotate.run(context, &mut out),
        Command::Reload(reload) => reload.run(context, &mut out),
        Command::Hold(hold) => hold.run(context, &mut out),
        Command::Maintain(maintain) => maintain.run(context, &mut out),
        Command::Config(config) => config.run(context, &mut out),
        Command::Decommission(end) => end.run(context, &mut out),
    }
}
