//! Which events: the options that `query` and `tail` share.

use clap::{Args, ValueEnum};
use jiff::Zoned;

use super::error::Error;
use super::time;
use crate::event;
use crate::index::{Filter, Row};

/// Conditions that all have to hold.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Which events")]
pub(super) struct Search {
    /// Words that stand anywhere in the event's text, all of them, in any letter case
    #[arg(value_name = "TEXT")]
    words: Vec<String>,
    /// Written at that time or later: 24h, 7d, 1w, today, yesterday, 2026-11-20, RFC 3339
    #[arg(long, short = 'S', value_name = "TIME")]
    since: Option<String>,
    /// Written before that time
    #[arg(long, short = 'U', value_name = "TIME")]
    until: Option<String>,
    /// Of this type, or of all that begin so: auth.login, 'auth.*'
    #[arg(long = "type", short = 't', visible_alias = "event-type", value_name = "TYPE")]
    event_type: Option<String>,
    /// By this actor
    #[arg(long, short = 'a', value_name = "WHO")]
    actor: Option<String>,
    /// Reported by this application
    #[arg(long, short = 's', value_name = "NAME")]
    source: Option<String>,
    /// With this outcome
    #[arg(long, short = 'o')]
    outcome: Option<Outcome>,
    /// At least this severe, by name or number: warning means warning, err, crit, alert, emerg
    #[arg(long, short = 'p', value_name = "LEVEL", value_parser = super::args::priority)]
    priority: Option<u8>,
    /// Written by this user, as the kernel knows it: a number or a name
    #[arg(long, short = 'u', value_name = "USER", value_parser = super::args::uid)]
    uid: Option<u32>,
    /// Written by this systemd unit; without a dot: .service
    #[arg(long, value_name = "UNIT", value_parser = super::args::unit)]
    unit: Option<String>,
    /// Of this session
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// Of this request or trace
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outcome {
    Success,
    Failure,
    Unknown,
}

impl Search {
    /// The conditions as the index knows them, seen from `now`.
    pub(super) fn filter(&self, now: &Zoned) -> Result<Filter, Error> {
        let (since_ns, until_ns) = time::span(self.since.as_deref(), self.until.as_deref(), now)?;
        Ok(Filter {
            since_ns,
            until_ns,
            event_type: self.event_type.clone(),
            actor: self.actor.clone(),
            source: self.source.clone(),
            outcome: self.outcome.map(Outcome::known),
            min_priority: self.priority,
            uid: self.uid,
            unit: self.unit.clone(),
            session_id: self.session_id.clone(),
            correlation_id: self.correlation_id.clone(),
            text: self.words.iter().max_by_key(|word| word.len()).cloned(),
            ..Filter::default()
        })
    }

    /// Whether the event has every word. The index looks for the longest only.
    pub(super) fn has_words(&self, row: &Row) -> bool {
        self.words.len() < 2 || self.words.iter().all(|word| contains(&row.event, word))
    }
}

fn contains(text: &str, word: &str) -> bool {
    word.is_empty()
        || text
            .as_bytes()
            .windows(word.len())
            .any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
}

impl Outcome {
    fn known(self) -> event::Outcome {
        match self {
            Outcome::Success => event::Outcome::Success,
            Outcome::Failure => event::Outcome::Failure,
            Outcome::Unknown => event::Outcome::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Test {
        #[command(flatten)]
        search: Search,
    }

    fn filter(args: &[&str]) -> Result<Filter, String> {
        let args = std::iter::once(&"query").chain(args);
        let test = Test::try_parse_from(args).map_err(|e| e.to_string())?;
        let now: Zoned = "2026-11-21T12:00:00+00:00[UTC]".parse().expect("a time");
        test.search.filter(&now).map_err(|e| e.to_string())
    }

    #[test]
    fn options_become_the_filter() {
        let args = ["--priority", "warning", "--uid", "root", "--unit", "ssh", "--since", "today"];
        let got = filter(&[&args[..], &["--type", "auth.*", "longest", "word"]].concat());
        let want = Filter {
            min_priority: Some(4),
            uid: Some(0),
            unit: Some("ssh.service".into()),
            since_ns: Some(1_795_219_200_000_000_000),
            event_type: Some("auth.*".into()),
            text: Some("longest".into()),
            ..Filter::default()
        };
        assert_eq!(got, Ok(want));
    }

    #[test]
    fn a_span_of_time_without_time_in_it_is_refused() {
        let error = filter(&["--since", "today", "--until", "yesterday"]).expect_err("refused");
        assert!(error.contains("2026-11-21 00:00:00 is not before 2026-11-20 00:00:00"), "{error}");
    }

    #[test]
    fn unknown_users_times_and_levels_are_refused() {
        for args in [["--uid", "no-such-user"], ["--priority", "9"], ["--since", "soon"]] {
            filter(&args).expect_err(args[1]);
        }
    }

    #[test]
    fn every_word_has_to_be_there_in_any_letter_case() {
        let words = |words: &[&str]| Search {
            words: words.iter().map(|w| w.to_string()).collect(),
            ..Search::default()
        };
        let row = Row { event: r#"{"action":"Failed Login"}"#.into(), ..Row::default() };
        assert!(words(&["login", "FAILED"]).has_words(&row));
        assert!(!words(&["login", "passed"]).has_words(&row));
    }
}
