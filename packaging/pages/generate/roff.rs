//! A manual page in the man macros (groff_man(7), mandoc's man(7)).

use std::fmt::Write;

/// What a page is called.
pub struct Title {
    pub name: String,
    pub section: &'static str,
    /// What whatis(1) says of it.
    pub about: String,
}

/// A page that is written from its top.
pub struct Page {
    text: String,
    /// A heading was written last, which begins a paragraph too.
    begun: bool,
}

impl Page {
    pub fn new(title: &Title, date: &str) -> Self {
        let manual = match title.section {
            "1" => "User Commands",
            "5" => "File Formats",
            _ => "System Administration",
        };
        let mut page = Self { text: String::new(), begun: true };
        let source = concat!("auditlogd ", env!("CARGO_PKG_VERSION"));
        let args = [&title.name.to_uppercase(), title.section, date, source, manual];
        page.request("TH", &args);
        page.section("NAME");
        page.line(&format!("{} \\- {}", prose(&title.name), prose(&title.about)));
        page
    }

    pub fn into_text(self) -> String {
        self.text
    }

    /// A request or macro with its arguments as they are to be read.
    pub fn request(&mut self, name: &str, args: &[&str]) {
        let _ = write!(self.text, ".{name}");
        for arg in args {
            let _ = write!(self.text, " \"{}\"", prose(arg));
        }
        self.text.push('\n');
    }

    pub fn section(&mut self, title: &str) {
        self.request("SH", &[&title.to_uppercase()]);
        self.begun = true;
    }

    pub fn subsection(&mut self, title: &str) {
        self.request("SS", &[title]);
        self.begun = true;
    }

    pub fn paragraph(&mut self, inline: &str) {
        self.begin();
        self.line(inline);
    }

    fn begin(&mut self) {
        if !self.begun {
            self.request("PP", &[]);
        }
    }

    /// Tags, each a line, and below them what they stand for, each part on lines of its own.
    pub fn tagged(&mut self, tags: &[String], parts: &[String]) {
        for (n, tag) in tags.iter().enumerate() {
            self.request(if n == 0 { "TP" } else { "TQ" }, &[]);
            self.line(tag);
        }
        for (n, part) in parts.iter().enumerate() {
            if n > 0 {
                self.request("br", &[]);
            }
            self.line(part);
        }
    }

    /// Lines as they are, indented.
    pub fn example(&mut self, lines: &str) {
        self.begin();
        self.text.push_str(".RS 4\n.EX\n");
        for line in lines.lines() {
            // An empty line of the source would be a request.
            self.line(if line.is_empty() { "\\&".to_owned() } else { literal(line) }.as_str());
        }
        self.text.push_str(".EE\n.RE\n");
    }

    /// Escaped text, which a line of it cannot turn into a request.
    pub fn line(&mut self, inline: &str) {
        self.begun = false;
        for line in inline.lines() {
            let line = line.trim_end();
            if line.starts_with(['.', '\'']) {
                self.text.push_str("\\&");
            }
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    /// What was written by somebody else's hand.
    pub fn raw(&mut self, text: &str) {
        self.begun = false;
        self.text.push_str(text);
    }

    /// The other pages of `all`.
    pub fn see_also(&mut self, own: &Title, all: &[(&str, &str)]) {
        let others = all
            .iter()
            .filter(|(name, section)| (own.name.as_str(), own.section) != (*name, *section));
        let others: Vec<String> = others.map(|(name, section)| reference(name, section)).collect();
        self.section("SEE ALSO");
        self.line(&others.join(",\n"));
    }
}

/// A reference to a page.
pub fn reference(name: &str, section: &str) -> String {
    format!("\\%{}({section})", bold(&literal(name)))
}

pub fn bold(inline: &str) -> String {
    format!("\\fB{inline}\\fP")
}

pub fn italic(inline: &str) -> String {
    format!("\\fI{inline}\\fP")
}

/// Text in which a hyphen is one, unless it stands before an option's name.
pub fn prose(text: &str) -> String {
    let mut previous = ' ';
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '-' if previous.is_alphanumeric() => escaped.push('-'),
            c => push(&mut escaped, c),
        }
        previous = c;
    }
    escaped
}

/// The same with code in backticks, which is copied as it is.
pub fn with_code(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(n, part)| if n % 2 == 0 { prose(part) } else { bold(&literal(part)) }).collect()
}

/// Text that is copied as it is: a hyphen is the ASCII character.
pub fn literal(text: &str) -> String {
    let mut escaped = String::new();
    text.chars().for_each(|c| push(&mut escaped, c));
    escaped
}

fn push(escaped: &mut String, c: char) {
    match c {
        '\\' => escaped.push_str("\\e"),
        '-' => escaped.push_str("\\-"),
        '\'' => escaped.push_str("\\(aq"),
        '`' => escaped.push_str("\\(ga"),
        '^' => escaped.push_str("\\(ha"),
        '~' => escaped.push_str("\\(ti"),
        '"' => escaped.push_str("\\(dq"),
        c if c.is_ascii() => escaped.push(c),
        c => {
            let _ = write!(escaped, "\\[u{:04X}]", c as u32);
        }
    }
}
