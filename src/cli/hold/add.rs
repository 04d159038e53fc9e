//! `auditlog hold add`: from now on these events stay.

use clap::Args;
use jiff::Zoned;

use crate::cli::args;
use crate::cli::context::Context;
use crate::cli::daemon::{ask, unexpected};
use crate::cli::error::{Error, Exit};
use crate::cli::output::{Out, note};
use crate::cli::text::visible;
use crate::cli::time;
use crate::control::{Reply, Request};
use crate::retention::{Match, NewHold};

const HELP: &str = "\
All options that are given have to be met by an event; one that is given several times is met by any
of its values. `*` stands for any run of characters. Times are as for `auditlog query`.

Examples:
  sudo auditlog hold add --actor alice --reason 'case 4711'
  sudo auditlog hold add --type 'auth.*' --type 'sudo.*' --since 2026-10-01 --until 2026-11-01 \\
       --name break-in --reason 'break-in of 14 October'
  sudo auditlog hold add --all --reason 'until the auditors have been here'

Exit codes:
  0  the hold is in force
  2  the command line or the configuration is wrong
  3  the daemon does not run, or refused: only root and the daemon's own user may ask";

/// Keep all events that match, those that are there and those to come
#[derive(Args, Debug)]
#[command(after_long_help = HELP)]
pub(in crate::cli) struct Add {
    /// Of this type: auth.login, 'auth.*'
    #[arg(long = "type", short = 't', visible_alias = "event-type", value_name = "TYPE")]
    event_type: Vec<String>,
    /// By this actor
    #[arg(long, short = 'a', value_name = "WHO")]
    actor: Vec<String>,
    /// Reported by this application
    #[arg(long, short = 's', value_name = "NAME")]
    source: Vec<String>,
    /// Done to this
    #[arg(long, value_name = "WHAT")]
    target: Vec<String>,
    /// Of this session
    #[arg(long = "session", visible_alias = "session-id", value_name = "ID")]
    session_id: Vec<String>,
    /// Of this request or trace
    #[arg(long = "correlation", visible_alias = "correlation-id", value_name = "ID")]
    correlation_id: Vec<String>,
    /// Written by this systemd unit; without a dot: .service
    #[arg(long, value_name = "UNIT", value_parser = args::unit)]
    unit: Vec<String>,
    /// Written by this user, as the kernel knows it: a number or a name
    #[arg(long, short = 'u', value_name = "USER", value_parser = args::uid)]
    uid: Vec<u32>,
    /// Written at that time or later
    #[arg(long, short = 'S', value_name = "TIME")]
    since: Option<String>,
    /// Written before that time
    #[arg(long, short = 'U', value_name = "TIME")]
    until: Option<String>,
    /// All events, of that time where one is given
    #[arg(long)]
    all: bool,
    /// Why, for people; it is in the log
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// What to call it; otherwise hold-1, hold-2 ...
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

impl Add {
    pub(super) fn run(&self, context: &Context, out: &mut Out) -> Result<Exit, Error> {
        let new = self.wanted(&Zoned::now())?;
        let socket = context.config()?.control_socket();
        let Reply::Held(hold) = ask(&socket, &Request::HoldAdd(Box::new(new)))? else {
            return Err(unexpected());
        };
        out.line(format_args!("held by {}: {}", hold.id, visible(&hold.to_string())))?;
        out.flush()?;
        note("`auditlog maintain --dry-run` shows which segments that keeps back now");
        Ok(Exit::Done)
    }

    fn wanted(&self, now: &Zoned) -> Result<NewHold, Error> {
        let what = Match {
            event_type: self.event_type.clone(),
            source: self.source.clone(),
            actor: self.actor.clone(),
            target: self.target.clone(),
            session_id: self.session_id.clone(),
            correlation_id: self.correlation_id.clone(),
            unit: self.unit.clone(),
            uid: self.uid.clone(),
        };
        let usage = |text: &str| Err(Error::Usage(text.into()));
        match (what.is_empty(), self.all) {
            (true, false) => {
                return usage(
                    "say which events, for example with --actor or --type, or --all for every one",
                );
            }
            (false, true) => {
                return usage("--all is for every event: leave it out, or the conditions");
            }
            _ => {}
        }
        let (since_ns, until_ns) = time::span(self.since.as_deref(), self.until.as_deref(), now)?;
        let (id, reason) = (self.name.clone(), self.reason.clone());
        let new = NewHold { id, what, since_ns, until_ns, reason };
        new.check().map_err(Error::Usage)?;
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Test {
        #[command(flatten)]
        add: Add,
    }

    fn wanted(args: &[&str]) -> Result<NewHold, String> {
        let args = ["add", "--reason", "r"].iter().chain(args);
        let test = Test::try_parse_from(args).map_err(|e| e.to_string())?;
        let now: Zoned = "2026-11-21T12:00:00+00:00[UTC]".parse().expect("a time");
        test.add.wanted(&now).map_err(|e| e.to_string())
    }

    #[test]
    fn options_become_the_hold() {
        let args = ["--type", "a", "--type", "b*", "--uid", "root", "--unit", "ssh"];
        let got = wanted(&[&args[..], &["--since", "today", "--name", "n"]].concat());
        let what = Match {
            event_type: vec!["a".into(), "b*".into()],
            uid: vec![0],
            unit: vec!["ssh.service".into()],
            ..Match::default()
        };
        let since_ns = Some(1_795_219_200_000_000_000);
        let (id, reason) = (Some("n".into()), "r".into());
        assert_eq!(got, Ok(NewHold { id, what, since_ns, until_ns: None, reason }));
    }

    #[test]
    fn what_would_hold_everything_has_to_be_said() {
        assert!(wanted(&[]).expect_err("nothing said").contains("--all"));
        assert!(wanted(&["--since", "today"]).expect_err("nothing said").contains("--all"));
        assert!(wanted(&["--all", "--actor", "a"]).expect_err("both").contains("leave it out"));
        assert!(wanted(&["--all"]).expect("said").what.is_empty());
    }

    #[test]
    fn what_can_be_no_hold_is_refused_before_anybody_is_asked() {
        for (args, says) in [
            (&["--actor", "a", "--name", "two words"][..], "letters, digits"),
            (&["--actor", ""], "empty value"),
            (&["--actor", "a", "--since", "today", "--until", "yesterday"], "no time lies between"),
        ] {
            let error = wanted(args).expect_err(says);
            assert!(error.contains(says), "{error}");
        }
    }
}
