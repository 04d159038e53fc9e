//! The account for people.

use std::fmt::Write;

use comfy_table::Attribute;
use indicatif::HumanCount;

use super::report::{Lines, Report, Told, UserLines, Verdict};
use crate::cli::error::Error;
use crate::cli::output::{Look, Out};
use crate::cli::table::{Column, Field};
use crate::cli::text::visible;
use crate::metrics::{OpenSnapshot, SHARED};
use crate::words::count;

static USERS: [Column; 7] = [
    Column { name: "USER", min: 10, usual: 16, drop: 0, right: false },
    Column { name: "LINES", min: 7, usual: 12, drop: 0, right: true },
    Column { name: "STORED", min: 7, usual: 12, drop: 0, right: true },
    Column { name: "REPEATED", min: 8, usual: 10, drop: 0, right: true },
    Column { name: "REFUSED", min: 7, usual: 10, drop: 0, right: true },
    Column { name: "SUMMARISED", min: 10, usual: 10, drop: 0, right: true },
    Column { name: "MISSING", min: 7, usual: 10, drop: 0, right: true },
];

static CONNECTIONS: [Column; 8] = [
    Column { name: "CONNECTION OF", min: 14, usual: 16, drop: 0, right: false },
    Column { name: "PROGRAM", min: 10, usual: 24, drop: 1, right: false },
    Column { name: "LINES", min: 7, usual: 12, drop: 0, right: true },
    Column { name: "STORED", min: 7, usual: 12, drop: 0, right: true },
    Column { name: "REFUSED", min: 7, usual: 10, drop: 0, right: true },
    Column { name: "SUMMARISED", min: 10, usual: 10, drop: 0, right: true },
    Column { name: "MISSING", min: 7, usual: 10, drop: 0, right: true },
    Column { name: "WAITING", min: 7, usual: 10, drop: 0, right: true },
];

pub(super) fn write(report: &Report, out: &mut Out) -> Result<(), Error> {
    let mut rows: Vec<_> = report.users.iter().map(user).collect();
    if rows.len() > 1 {
        rows.push(row("all".into(), &report.total));
    }
    match rows.is_empty() {
        true => out.line("no line of a client is in the log")?,
        false => out.table(&USERS, &rows)?,
    }
    let look = out.look.clone();
    out.line("")?;
    out.line(checked(report, &look))?;
    for (first, next) in &report.holes {
        out.line(format_args!(
            "leaves {first} to {} are not there; the sums lead over them, and `auditlog verify` says whether retention deleted them",
            next - 1
        ))?;
    }
    for gap in &report.gaps {
        out.line(visible(&gap_line(gap, &look)))?;
    }
    for finding in &report.findings {
        out.line(visible(&finding.text))?;
    }
    if report.left_out > 0 {
        out.line(format_args!("{} more are not shown", count(report.left_out, "gap or finding")))?;
    }
    daemon(report, out)?;
    let style = match report.verdict {
        Verdict::Ok => anstyle::AnsiColor::Green,
        Verdict::Incomplete | Verdict::Unverifiable => anstyle::AnsiColor::Yellow,
        Verdict::Contradiction => anstyle::AnsiColor::Red,
    };
    out.line("")?;
    out.line(look.paint(style.on_default().bold(), visible(&report.sentence)))
}

fn user(user: &UserLines) -> Vec<Field> {
    let name = match (&user.name, user.uid) {
        (Some(name), uid) => format!("{name} ({uid})"),
        (None, SHARED) => "others".into(),
        (None, uid) => uid.to_string(),
    };
    row(name, &user.lines)
}

fn row(name: String, lines: &Lines) -> Vec<Field> {
    let sums = &lines.sums;
    let numbers =
        [lines.lines, sums.stored, sums.repeated, sums.refused, sums.summarised, sums.missing];
    let name = Field { attribute: Some(Attribute::Bold), ..Field::new(&name) };
    std::iter::once(name).chain(numbers.map(number)).collect()
}

fn number(n: u64) -> Field {
    Field::new(&HumanCount(n).to_string())
}

fn checked(report: &Report, look: &Look) -> String {
    let leaves = match report.first_seq {
        Some(first) => format!("leaves {first} to {}", report.next_seq.saturating_sub(1)),
        None => "no leaves".into(),
    };
    let mut text = format!("{leaves} of the log {} were counted; ", report.log_id);
    let said = match &report.last_checked {
        Some(last) => write!(
            text,
            "{} of sums held against them, the last at leaf {} ({})",
            count(report.checked, "record"),
            last.seq,
            look.time_of(&last.ts)
        ),
        None => write!(text, "no record says their sums yet"),
    };
    // Writing to a string cannot fail.
    let _ = said;
    text
}

fn gap_line(told: &Told, look: &Look) -> String {
    let gap = &told.gapped.gap;
    let what = match gap.exact {
        true => count(gap.events, "event"),
        false => format!("at most {}", count(gap.events, "event")),
    };
    let whose = gap.uid.map_or_else(|| "anybody".into(), |uid| format!("uid {uid}"));
    let (since, until) = (look.time_of(&gap.since), look.time_of(&gap.until));
    let verb = if gap.exact { "missing" } else { "may be missing" };
    let (seq, because) = (told.gapped.seq, &told.because);
    format!("gap, leaf {seq}: {what} of {whose} {verb}, {since} to {until}: {because}")
}

fn daemon(report: &Report, out: &mut Out) -> Result<(), Error> {
    let Some(live) = &report.daemon else { return Ok(()) };
    let (Some(account), Some(waiting)) = (&live.account, live.waiting()) else {
        let error = live.error.as_deref().unwrap_or("it does not answer");
        return out.line(visible(&format!("what a daemon has yet to write is not known: {error}")));
    };
    let waits = if waiting == 1 { "waits" } else { "wait" };
    out.line(format_args!("{} {waits} in the daemon to be dealt with", count(waiting, "line")))?;
    if account.connections.is_empty() {
        return Ok(());
    }
    out.line("")?;
    out.table(&CONNECTIONS, &account.connections.iter().map(connection).collect::<Vec<_>>())?;
    match account.connections_left_out {
        0 => Ok(()),
        more => out.line(format_args!("and {}", count(more, "more connection"))),
    }
}

fn connection(open: &OpenSnapshot) -> Vec<Field> {
    let who = match open.peer["pid"].as_u64() {
        Some(pid) => format!("uid {}, pid {pid}", open.peer["uid"]),
        None => format!("uid {}", open.peer["uid"]),
    };
    let texts = [who, open.peer["exe"].as_str().unwrap_or_default().to_owned()];
    let numbers =
        [open.lines, open.stored, open.refused, open.summarised, open.missing, open.waiting];
    texts.iter().map(|text| Field::new(text)).chain(numbers.map(number)).collect()
}
