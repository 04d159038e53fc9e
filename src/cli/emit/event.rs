//! One event built from the command line.

use std::collections::HashSet;

use clap::{Args, ValueEnum};
use serde::de::IgnoredAny;

use crate::json::push_string;

/// The members that have an option of their own.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "The event")]
pub(super) struct EventArgs {
    /// What happened, dotted: auth.login, file.change
    #[arg(long = "type", visible_alias = "event-type", value_name = "TYPE")]
    event_type: Option<String>,
    /// How severe: emerg, alert, crit, err, warning, notice, info, debug, or 0 to 7
    #[arg(long, short, value_name = "LEVEL", value_parser = super::super::args::priority)]
    priority: Option<u8>,
    /// The application that reports it
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Who did it
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// What was done, in words
    #[arg(long, value_name = "TEXT")]
    action: Option<String>,
    /// Whether it succeeded
    #[arg(long, value_enum)]
    outcome: Option<Outcome>,
    /// What it was done to
    #[arg(long, value_name = "WHAT")]
    target: Option<String>,
    /// The address it came from
    #[arg(long, value_name = "ADDRESS")]
    client_ip: Option<String>,
    /// The session it belongs to
    #[arg(long, value_name = "ID")]
    session_id: Option<String>,
    /// The request or trace it belongs to
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// The operation that was timed
    #[arg(long, value_name = "NAME")]
    operation: Option<String>,
    /// How long it took, milliseconds
    #[arg(long, value_name = "MS", value_parser = duration)]
    duration_ms: Option<f64>,
    /// Your own id for it, to look it up by
    #[arg(long, value_name = "ID")]
    event_id: Option<String>,
    /// When it happened, RFC 3339 or seconds since 1970; the daemon adds its own time
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    timestamp: Option<Json>,
    /// A remark
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// A file it is about; may be given several times
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<String>,
    /// Anything more, as JSON
    #[arg(long, value_name = "JSON", value_parser = json)]
    data: Option<Json>,
    /// Anything about the event itself, as JSON
    #[arg(long, value_name = "JSON", value_parser = json)]
    metadata: Option<Json>,
    /// Any other member: KEY=TEXT, or KEY:=JSON; may be given several times
    #[arg(long = "set", value_name = "KEY=TEXT|KEY:=JSON", value_parser = member)]
    set: Vec<(String, Json)>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outcome {
    Success,
    Failure,
    Unknown,
}

/// JSON text on one line.
#[derive(Clone, Debug, PartialEq)]
struct Json(String);

impl Json {
    fn string(text: &str) -> Self {
        let mut out = Vec::with_capacity(text.len() + 2);
        push_string(&mut out, text);
        Self(String::from_utf8_lossy(&out).into_owned())
    }
}

fn json(text: &str) -> Result<Json, String> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|e| format!("not valid JSON: {e}"))?;
    // In valid JSON a line break stands only between tokens.
    Ok(Json(text.trim().replace(['\n', '\r'], " ")))
}

fn timestamp(text: &str) -> Result<Json, String> {
    if text.parse::<jiff::Timestamp>().is_ok() {
        return Ok(Json::string(text));
    }
    match text.parse::<f64>() {
        Ok(_) => json(text),
        Err(_) => Err("neither RFC 3339 (2026-11-20T14:30:00Z) nor seconds since 1970".into()),
    }
}

fn duration(text: &str) -> Result<f64, String> {
    let ms: f64 = text.parse().map_err(|_| "not a number")?;
    (ms.is_finite() && ms >= 0.0).then_some(ms).ok_or_else(|| "less than zero or not finite".into())
}

fn member(text: &str) -> Result<(String, Json), String> {
    let (key, value) = text.split_once('=').ok_or("neither KEY=TEXT nor KEY:=JSON")?;
    let (key, value) = match key.strip_suffix(':') {
        Some(key) => (key, json(value)?),
        None => (key, Json::string(value)),
    };
    if key.is_empty() {
        return Err("the key is empty".into());
    }
    Ok((key.to_owned(), value))
}

impl EventArgs {
    /// The event's line without LF; `None` if no member was given. The error is a key given twice.
    pub(super) fn line(&self) -> Result<Option<Vec<u8>>, String> {
        let members = self.members();
        let mut seen = HashSet::new();
        if let Some((key, _)) = members.iter().find(|(key, _)| !seen.insert(key)) {
            return Err(format!("the event's member '{key}' is given twice"));
        }
        let mut out = Vec::new();
        for (key, value) in &members {
            out.push(if out.is_empty() { b'{' } else { b',' });
            push_string(&mut out, key);
            out.push(b':');
            out.extend_from_slice(value.0.as_bytes());
        }
        out.push(b'}');
        Ok((!members.is_empty()).then_some(out))
    }

    fn members(&self) -> Vec<(&str, Json)> {
        let text = |key, value: &Option<String>| value.as_deref().map(|v| (key, Json::string(v)));
        let outcome = self.outcome.and_then(|o| o.to_possible_value());
        let files: Vec<String> = self.files.iter().map(|file| Json::string(file).0).collect();
        let files = (!files.is_empty()).then(|| Json(format!("[{}]", files.join(","))));
        let known = [
            text("event_type", &self.event_type),
            self.priority.map(|p| {
                ("priority", Json::string(super::super::args::PRIORITIES[p as usize & 7]))
            }),
            text("source", &self.source),
            text("actor", &self.actor),
            text("action", &self.action),
            outcome.map(|o| ("outcome", Json::string(o.get_name()))),
            text("target", &self.target),
            text("client_ip", &self.client_ip),
            text("session_id", &self.session_id),
            text("correlation_id", &self.correlation_id),
            text("operation", &self.operation),
            self.duration_ms.map(|ms| ("duration_ms", Json(ms.to_string()))),
            text("event_id", &self.event_id),
            self.timestamp.clone().map(|t| ("timestamp", t)),
            text("comment", &self.comment),
            files.map(|files| ("files", files)),
            self.data.clone().map(|data| ("data", data)),
            self.metadata.clone().map(|metadata| ("metadata", metadata)),
        ];
        let set = self.set.iter().map(|(key, value)| (key.as_str(), value.clone()));
        known.into_iter().flatten().chain(set).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Test {
        #[command(flatten)]
        event: EventArgs,
    }

    fn line(args: &[&str]) -> Result<Option<String>, String> {
        let args = std::iter::once(&"emit").chain(args);
        let test = Test::try_parse_from(args).map_err(|e| e.to_string())?;
        test.event.line().map(|line| line.map(|l| String::from_utf8(l).expect("utf-8")))
    }

    #[test]
    fn options_become_members_in_a_fixed_order() {
        let args =
            ["--set", "n:=1.50", "--file", "/a", "--file", "/b", "--type", "x.y", "--priority"];
        let args = [&args[..], &["WARN", "--duration-ms", "2", "--outcome", "failure"]].concat();
        let want = r#"{"event_type":"x.y","priority":"warning","outcome":"failure","duration_ms":2,"files":["/a","/b"],"n":1.50}"#;
        assert_eq!(line(&args), Ok(Some(want.into())));
    }

    #[test]
    fn text_is_escaped_and_json_is_put_on_one_line() {
        let args =
            ["--action", "a \"b\"\n\u{2028}", "--data", "{\n \"k\": 1e400 }\n", "--set", "u=a=b"];
        let want = r#"{"action":"a \"b\"\u000a\u2028","data":{  "k": 1e400 },"u":"a=b"}"#;
        assert_eq!(line(&args), Ok(Some(want.into())));
    }

    #[test]
    fn no_option_is_no_event() {
        assert_eq!(line(&[]), Ok(None));
    }

    #[test]
    fn a_member_given_twice_is_refused() {
        let error = line(&["--actor", "a", "--set", "actor=b"]).expect_err("refused");
        assert!(error.contains("'actor' is given twice"), "{error}");
    }

    #[test]
    fn values_of_a_wrong_form_are_refused_with_the_reason() {
        for (args, reason) in [
            (["--data", "{\"a\":}"], "not valid JSON"),
            (["--set", "plain"], "KEY=TEXT"),
            (["--set", "=x"], "key is empty"),
            (["--set", "a:=x"], "not valid JSON"),
            (["--duration-ms", "-1"], "unexpected argument"),
            (["--duration-ms", "inf"], "not finite"),
            (["--timestamp", "noon"], "RFC 3339"),
            (["--timestamp", "nan"], "not valid JSON"),
            (["--priority", "loud"], "warning"),
        ] {
            let error = line(&args).expect_err(reason);
            assert!(error.contains(reason), "{args:?}: {error}");
        }
    }
}
