//! auditlogd.toml(5): the comments of the file that is shipped, key by key with what the loader knows of each.

use auditlogd::config::{Reference, reference};

use super::roff::{self, Page, Title, bold, literal};
use super::{ALL, help};

/// The file as it is shipped.
const SHIPPED: &str = include_str!("../../../config/auditlogd.toml");

/// A piece of the file.
enum Piece {
    /// `# ---- Title ---`
    Title(String),
    /// `[table]`
    Table(String),
    /// A paragraph, without `# `; examples are indented.
    Comment(Vec<String>),
    /// Keys that stand together.
    Keys(Vec<String>),
}

pub fn page(date: &str) -> (Title, Page) {
    let about = "configuration of the audit log daemon".into();
    let title = Title { name: "auditlogd.toml".into(), section: "5", about };
    let mut page = Page::new(&title, date);
    page.section("SYNOPSIS");
    page.line(&roff::italic(&literal("/etc/auditlogd/auditlogd.toml")));
    page.request("br", &[]);
    page.line(&roff::italic(&literal("/etc/auditlogd/conf.d/*.toml")));
    page.section("DESCRIPTION");
    let keys = reference();
    let mut table = String::new();
    // The text above the first empty line after a comment belongs to the keys below it.
    let mut text: Vec<Vec<String>> = Vec::new();
    for piece in pieces() {
        match piece {
            Piece::Comment(lines) => text.push(lines),
            Piece::Keys(names) => {
                let own = text.pop().unwrap_or_default();
                text.drain(..).for_each(|lines| comment(&lines, &mut page));
                let find =
                    |name: &String| keys.iter().find(|key| key.table == table && key.name == name);
                describe(&names.iter().filter_map(find).collect::<Vec<_>>(), &own, &mut page);
            }
            Piece::Title(title) => {
                text.drain(..).for_each(|lines| comment(&lines, &mut page));
                page.section(&title);
            }
            Piece::Table(name) => {
                text.drain(..).for_each(|lines| comment(&lines, &mut page));
                page.paragraph(&format!("The table {}:", bold(&literal(&format!("[{name}]")))));
                table = name;
            }
        }
    }
    text.drain(..).for_each(|lines| comment(&lines, &mut page));
    page.see_also(&title, &ALL);
    (title, page)
}

/// The shipped file, piece by piece.
fn pieces() -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut open = false;
    // The first line is the page's title.
    for line in SHIPPED.lines().skip(1) {
        let comment = line.strip_prefix('#').map(|rest| rest.strip_prefix(' ').unwrap_or(rest));
        let key = line
            .strip_prefix('#')
            .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        match (key.and_then(|rest| rest.split_once(" = ")), comment, pieces.last_mut()) {
            (Some((name, _)), _, Some(Piece::Keys(names))) if open => names.push(name.into()),
            (Some((name, _)), ..) => pieces.push(Piece::Keys(vec![name.into()])),
            (None, Some(text), _) if text.starts_with("----") => {
                pieces.push(Piece::Title(text.trim_matches(['-', ' ']).into()));
            }
            (None, Some(""), _) => {
                open = false;
                continue;
            }
            (None, Some(text), Some(Piece::Comment(lines))) if open => lines.push(text.into()),
            (None, Some(text), _) => pieces.push(Piece::Comment(vec![text.into()])),
            (None, None, _) => {
                if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                    pieces.push(Piece::Table(name.into()));
                }
                open = false;
                continue;
            }
        }
        open = true;
    }
    pieces
}

/// A paragraph of the file, or an example.
fn comment(lines: &[String], page: &mut Page) {
    match lines.iter().all(|line| line.starts_with("    ")) {
        true => help::example(lines, page),
        false => page.paragraph(&roff::with_code(&lines.join("\n"))),
    }
}

/// Keys that share a comment.
fn describe(keys: &[&Reference], comment: &[String], page: &mut Page) {
    let tag =
        |key: &&Reference| format!("{} = {}", bold(&literal(key.name)), literal(&key.default));
    let restart = keys.iter().any(|key| key.restart);
    let variables: Vec<_> = keys.iter().map(|key| bold(&literal(&key.variable))).collect();
    let force = format!(
        "In force after a {}. {}.",
        if restart { "restart" } else { "reload" },
        variables.join(",\n")
    );
    let tags: Vec<_> = keys.iter().map(tag).collect();
    page.tagged(&tags, &[roff::with_code(&comment.join("\n")), force]);
}
