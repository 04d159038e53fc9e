//! Markdown as a manual page: headings are sections, and a table is a list of what its first column names, which
//! no terminal is too narrow for.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::roff::{self, Page};

/// The pages of `docs/` that are manual pages.
const PAGES: [(&str, &str); 3] = [
    ("ledger-format.md", "auditlogd-ledger"),
    ("socket-protocol.md", "auditlogd-protocol"),
    ("sqlite.md", "auditlogd-database"),
];

/// Writes what stands below the first heading, which is the page's title.
pub fn render(text: &str, page: &mut Page) {
    let mut renderer = Renderer {
        page,
        inline: String::new(),
        heading: false,
        code: None,
        lists: Vec::new(),
        mark: None,
        table: Table::default(),
        link: None,
    };
    Parser::new_ext(text, Options::ENABLE_TABLES).for_each(|event| renderer.take(event));
}

struct Renderer<'p> {
    page: &'p mut Page,
    /// Escaped text of the block that is open.
    inline: String,
    heading: bool,
    /// The text of a code block that is open.
    code: Option<String>,
    /// For each open list the number of its next item, if it has numbers.
    lists: Vec<Option<u64>>,
    /// The next block begins an item: what it is marked with.
    mark: Option<String>,
    table: Table,
    /// Where the link that is open leads to.
    link: Option<String>,
}

#[derive(Default)]
struct Table {
    titles: Vec<String>,
    row: Vec<String>,
}

impl Renderer<'_> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&text),
                None if self.heading => self.inline.push_str(&text),
                None => self.inline.push_str(&roff::prose(&text)),
            },
            Event::Code(code) if self.heading => self.inline.push_str(&code),
            Event::Code(code) => {
                let page = PAGES.iter().find(|(file, _)| **file == *code);
                self.inline.push_str(&match page {
                    Some((_, name)) => roff::reference(name, "5"),
                    None => roff::bold(&roff::literal(&code)),
                });
            }
            Event::SoftBreak => self.inline.push('\n'),
            // The pages have none of the rest: HTML, rules, hard breaks.
            other => unreachable!("{other:?} has no form in a manual page"),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } => self.heading = true,
            Tag::CodeBlock(_) => {
                self.flush();
                self.code = Some(String::new());
            }
            Tag::List(first) => {
                self.flush();
                if !self.lists.is_empty() {
                    self.page.request("RS", &["4"]);
                }
                self.lists.push(first);
            }
            Tag::Item => {
                self.mark = Some(match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number += 1;
                        format!("{}.", *number - 1)
                    }
                    _ => "\\(bu".into(),
                });
            }
            Tag::Emphasis => self.inline.push_str("\\fI"),
            Tag::Strong => self.inline.push_str("\\fB"),
            Tag::Link { dest_url, .. } => self.link = Some(dest_url.into_string()),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => {
                self.heading = false;
                let title = std::mem::take(&mut self.inline);
                match level {
                    HeadingLevel::H1 => {}
                    HeadingLevel::H2 => self.page.section(&title),
                    _ => self.page.subsection(&title),
                }
            }
            TagEnd::Paragraph => self.flush(),
            TagEnd::CodeBlock => {
                let code = self.code.take().unwrap_or_default();
                self.page.example(&code);
            }
            TagEnd::Item => {
                self.flush();
                self.mark = None;
            }
            TagEnd::List(_) => {
                self.lists.pop();
                if !self.lists.is_empty() {
                    self.page.request("RE", &[]);
                }
            }
            TagEnd::Emphasis | TagEnd::Strong => self.inline.push_str("\\fP"),
            TagEnd::Link => {
                if let Some(target) = self.link.take().filter(|target| target.contains("://")) {
                    self.inline.push_str(&format!(" <{}>", roff::literal(&target)));
                }
            }
            TagEnd::TableCell => self.table.row.push(std::mem::take(&mut self.inline)),
            TagEnd::TableHead => self.table.titles = std::mem::take(&mut self.table.row),
            TagEnd::TableRow => self.row(),
            _ => {}
        }
    }

    /// Writes the open block.
    fn flush(&mut self) {
        let inline = std::mem::take(&mut self.inline);
        if inline.is_empty() {
            return;
        }
        match (self.mark.take(), self.lists.is_empty()) {
            (Some(mark), _) => {
                self.page.raw(&format!(".IP {mark} 4\n"));
                self.page.line(&inline);
            }
            (None, true) => self.page.paragraph(&inline),
            (None, false) => {
                self.page.request("IP", &["", "4"]);
                self.page.line(&inline);
            }
        }
    }

    /// Writes a row: what its first cell names, and the others below it, with their column's title where there
    /// are several.
    fn row(&mut self) {
        let row = std::mem::take(&mut self.table.row);
        let mut cells = row.into_iter().zip(&self.table.titles);
        let Some((tag, _)) = cells.next() else { return };
        let cells: Vec<_> = cells.filter(|(cell, _)| !cell.is_empty()).collect();
        let several = self.table.titles.len() > 2;
        let lines = cells.iter().map(|(cell, title)| match several && !title.is_empty() {
            true => format!("{}: {cell}", roff::italic(title)),
            false => cell.clone(),
        });
        let lines: Vec<String> = lines.collect();
        self.page.tagged(&[tag], &lines);
    }
}
