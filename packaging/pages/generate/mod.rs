//! The manual pages and completions, all from one place each: the commands' own definitions, the table of
//! keys with the comments of `config/auditlogd.toml`, and the pages in `docs/`.

mod commands;
mod configuration;
mod help;
mod markdown;
mod roff;

use std::fs;
use std::io;
use std::path::Path;

use auditlogd::{cli, daemon};
use clap::Command;
use clap_complete::Shell;

use roff::{Page, Title};

/// The pages that are made of Markdown, all of section 5.
const FORMATS: [Format; 3] = [
    Format {
        name: "auditlogd-ledger",
        about: "the signed ledger of auditlogd",
        text: include_str!("../../../docs/ledger-format.md"),
    },
    Format {
        name: "auditlogd-protocol",
        about: "the socket protocol of auditlogd",
        text: include_str!("../../../docs/socket-protocol.md"),
    },
    Format {
        name: "auditlogd-database",
        about: "the SQLite database of auditlogd",
        text: include_str!("../../../docs/sqlite.md"),
    },
];

/// What every page points to, but itself.
const ALL: [(&str, &str); 6] = [
    ("auditlog", "1"),
    ("auditlogd.toml", "5"),
    ("auditlogd-ledger", "5"),
    ("auditlogd-protocol", "5"),
    ("auditlogd-database", "5"),
    ("auditlogd", "8"),
];

/// A page of `docs/`.
struct Format {
    name: &'static str,
    about: &'static str,
    text: &'static str,
}

/// Writes everything below `out`, which may be there already.
pub fn all(out: &Path, date: &str) -> io::Result<()> {
    let (man, completions) = (out.join("man"), out.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    let write = |title: &Title, page: Page| {
        fs::write(man.join(format!("{}.{}", title.name, title.section)), page.into_text())
    };

    for (title, page) in commands::pages(date)? {
        write(&title, page)?;
    }
    let (title, page) = configuration::page(date);
    write(&title, page)?;
    for format in &FORMATS {
        let title = Title { name: format.name.into(), section: "5", about: format.about.into() };
        let mut page = Page::new(&title, date);
        page.section("DESCRIPTION");
        markdown::render(format.text, &mut page);
        page.see_also(&title, &ALL);
        write(&title, page)?;
    }

    for mut command in [cli::command(), without_hidden(&daemon::command())] {
        let name = command.get_name().to_owned();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            clap_complete::generate_to(shell, &mut command, &name, &completions)?;
        }
    }
    Ok(())
}

/// The daemon's command as it is for people: clap_complete offers hidden options too.
fn without_hidden(command: &Command) -> Command {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set()).cloned();
    Command::new("auditlogd").version(env!("CARGO_PKG_VERSION")).args(shown)
}
