//! What a help text says below the options, part by part.

use super::roff::{self, Page};

/// A part of a help text.
#[derive(Debug, PartialEq)]
pub enum Part {
    /// `Examples:` and the like, with its indented lines.
    Section(String, Vec<String>),
    /// Text without indentation.
    Prose(String),
    /// Indented lines that stand under no title.
    Lines(Vec<String>),
}

/// Takes a help text apart.
pub fn parts(help: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut fresh = true;
    let mut lines = help.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim().is_empty() {
            fresh = true;
            continue;
        }
        let indented = line.starts_with("  ");
        let title = line.strip_suffix(':').filter(|_| {
            fresh && !indented && lines.peek().is_some_and(|next| next.starts_with("  "))
        });
        match (title, parts.last_mut()) {
            (Some(title), _) => parts.push(Part::Section(title.into(), Vec::new())),
            (None, Some(Part::Section(_, lines) | Part::Lines(lines))) if indented && !fresh => {
                lines.push(line.into());
            }
            (None, Some(Part::Prose(text))) if !indented && !fresh => {
                text.push('\n');
                text.push_str(line);
            }
            (None, _) if indented => parts.push(Part::Lines(vec![line.into()])),
            (None, _) => parts.push(Part::Prose(line.into())),
        }
        fresh = false;
    }
    parts
}

/// Writes lines of the form `  0  done`, where what belongs to the line before is indented more.
pub fn definitions(lines: &[String], page: &mut Page) {
    let mut entries: Vec<(String, String)> = Vec::new();
    for line in lines {
        let deeper = line.starts_with("    ");
        let text = line.trim();
        match (entries.last_mut(), text.split_once("  ")) {
            (Some((_, meaning)), _) if deeper => {
                meaning.push('\n');
                meaning.push_str(text);
            }
            (_, Some((term, meaning))) => entries.push((term.into(), meaning.trim().into())),
            (_, None) => entries.push((text.into(), String::new())),
        }
    }
    for (term, meaning) in entries {
        page.tagged(&[roff::bold(&roff::literal(&term))], &[roff::with_code(&meaning)]);
    }
}

/// Writes lines as they are, without the indentation that all of them have.
pub fn example(lines: &[String], page: &mut Page) {
    let depth = |line: &String| line.len() - line.trim_start().len();
    let common = lines.iter().map(depth).min().unwrap_or_default();
    let lines: Vec<&str> = lines.iter().map(|line| &line[common..]).collect();
    page.example(&lines.join("\n"));
}
