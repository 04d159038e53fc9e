//! A page for each program and each of its commands, from what they say of themselves.

use std::io;

use auditlogd::{cli, daemon};
use clap::Command;
use clap_mangen::Man;

use super::ALL;
use super::help::{self, Part};
use super::markdown;
use super::roff::{self, Page, Title};

/// What the help texts do not say: signals, files, environment.
const MORE: [(&str, &str); 2] = [
    ("auditlogd", include_str!("../auditlogd.8.md")),
    ("auditlog", include_str!("../auditlog.1.md")),
];

/// The sections in the order of man-pages(7), besides those of the Markdown.
const EXIT: [&str; 2] = ["Exit codes", "Exit status"];
const EXAMPLES: &str = "Examples";

/// The pages of both programs.
pub fn pages(date: &str) -> io::Result<Vec<(Title, Page)>> {
    let mut pages = Vec::new();
    for (mut command, section) in [(cli::command(), "1"), (daemon::command(), "8")] {
        command = tell_values(command.disable_help_subcommand(true));
        command.build();
        add(&command, section, date, &mut pages)?;
    }
    Ok(pages)
}

/// Says in a line of the help which values an option takes, where clap_mangen would write a list.
fn tell_values(command: Command) -> Command {
    let command = command.subcommand_value_name("COMMAND").mut_subcommands(tell_values);
    command.mut_args(|arg| {
        if arg.is_hide_possible_values_set() || !arg.get_action().takes_values() {
            return arg;
        }
        let values = arg.get_possible_values();
        let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
        let Some((last, others)) = names.split_last().filter(|(_, others)| !others.is_empty())
        else {
            return arg;
        };
        let values = format!("{} or {last}", others.join(", "));
        let with = |help: Option<&clap::builder::StyledStr>| {
            help.map(|help| format!("{help}: {values}")).unwrap_or_default()
        };
        let (help, long) = (with(arg.get_help()), with(arg.get_long_help()));
        let arg = arg.hide_possible_values(true);
        if long.is_empty() { arg.help(help) } else { arg.long_help(long) }
    })
}

fn add(
    command: &Command,
    section: &'static str,
    date: &str,
    pages: &mut Vec<(Title, Page)>,
) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let title = Title { name, section, about };
    let page = page(command, &title, date)?;
    pages.push((title, page));
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        add(sub, section, date, pages)?;
    }
    Ok(())
}

fn page(command: &Command, title: &Title, date: &str) -> io::Result<Page> {
    let mut page = Page::new(title, date);
    let man = Man::new(command.clone());
    let made = |make: &dyn Fn(&mut Vec<u8>) -> io::Result<()>, page: &mut Page| {
        let mut bytes = Vec::new();
        make(&mut bytes)?;
        page.raw(&tidy(&String::from_utf8_lossy(&bytes)));
        io::Result::Ok(())
    };
    page.section("SYNOPSIS");
    page.line(&synopsis(command));

    page.section("DESCRIPTION");
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    // The first one is under NAME already.
    let paragraphs = about.split_once("\n\n").map_or(&*about, |(_, rest)| rest);
    paragraphs.split("\n\n").for_each(|text| page.paragraph(&roff::with_code(text)));
    let help = command.get_after_long_help().or_else(|| command.get_after_help());
    let parts = help::parts(&help.map(ToString::to_string).unwrap_or_default());
    for part in &parts {
        match part {
            Part::Prose(text) => page.paragraph(&roff::with_code(text)),
            Part::Lines(lines) => help::example(lines, &mut page),
            Part::Section(..) => {}
        }
    }

    made(&|out| man.render_options_section(out), &mut page)?;
    if command.has_subcommands() {
        page.section("COMMANDS");
        for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
            let name = sub.get_display_name().unwrap_or(sub.get_name());
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            page.tagged(&[roff::reference(name, title.section)], &[roff::with_code(&about)]);
        }
    }
    sections(&parts, &mut page, |name| name != EXAMPLES);
    if let Some((_, more)) = MORE.iter().find(|(name, _)| *name == title.name) {
        markdown::render(more, &mut page);
    }
    sections(&parts, &mut page, |name| name == EXAMPLES);
    see_also(command, title, &mut page);
    Ok(page)
}

/// How it is called, as its help says: clap_mangen names options without the values that they take.
fn synopsis(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.strip_prefix("Usage: ").unwrap_or(&usage);
    let called = command.get_bin_name().unwrap_or(command.get_name());
    let arguments = usage.strip_prefix(called).unwrap_or(usage);
    format!("{}{}", roff::bold(&roff::literal(called)), roff::literal(arguments))
}

/// The help text's own sections whose titles are `wanted`.
fn sections(parts: &[Part], page: &mut Page, wanted: impl Fn(&str) -> bool) {
    for part in parts {
        let Part::Section(name, lines) = part else { continue };
        if !wanted(name) {
            continue;
        }
        if name == EXAMPLES {
            page.section(name);
            help::example(lines, page);
        } else {
            page.section(if EXIT.contains(&name.as_str()) { "EXIT STATUS" } else { name });
            help::definitions(lines, page);
        }
    }
}

/// The command above, and what every page points to.
fn see_also(command: &Command, title: &Title, page: &mut Page) {
    let above =
        title.name.strip_suffix(command.get_name()).and_then(|above| above.strip_suffix('-'));
    let mut all = ALL.to_vec();
    if let Some(above) = above.filter(|above| *above != "auditlog") {
        all.insert(0, (above, title.section));
    }
    page.see_also(title, &all);
}

/// What clap_mangen writes, without the definitions that each of its sections begins with, and with code in
/// backticks as bold text.
fn tidy(text: &str) -> String {
    let mut tidied = String::new();
    for line in text.lines() {
        match line {
            "" => tidied.push_str(".sp"),
            _ if line.starts_with(".ie ") || line.starts_with(".el ") => continue,
            _ => {
                for (n, part) in line.split('`').enumerate() {
                    let font = if n % 2 == 0 { "\\fP" } else { "\\fB" };
                    tidied.push_str(if n == 0 { "" } else { font });
                    tidied.push_str(part);
                }
            }
        }
        tidied.push('\n');
    }
    tidied.replace("\\*(Aq", "\\(aq")
}
