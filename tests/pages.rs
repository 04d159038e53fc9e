//! The manual pages and completions are made of what they describe, say all of it, and are well formed.

#[path = "../packaging/pages/generate/mod.rs"]
mod generate;

use std::fs;
use std::path::Path;
use std::process::Command;

use auditlogd::config::{Range, reference};
use auditlogd::{cli, daemon};
use tempfile::TempDir;

const SHIPPED: &str = include_str!("../config/auditlogd.toml");

fn made() -> TempDir {
    let dir = tempfile::tempdir().expect("temporary directory");
    generate::all(dir.path(), "2026-11-21").expect("made");
    dir
}

/// A page as it is read, without the escapes of its source.
fn plain(dir: &TempDir, page: &str) -> String {
    let path = dir.path().join("man").join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path:?}: {e}"));
    let escapes = [("\\fB", ""), ("\\fI", ""), ("\\fP", ""), ("\\fR", ""), ("\\-", "-")];
    let escapes = escapes.into_iter().chain([("\\(dq", "\""), ("\\(aq", "'"), ("\\(ti", "~")]);
    let escapes = escapes.chain([("\\(ga", "`"), ("\\(ha", "^"), ("\\&", ""), ("\\e", "\\")]);
    escapes.fold(text, |text, (escaped, meant)| text.replace(escaped, meant))
}

fn pages(dir: &TempDir, of: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(dir.path().join(of)).expect("reads");
    let mut pages: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    pages.sort();
    pages
}

/// Runs a program of which a machine may not have any; `None` where it is not there.
fn run(program: &str, args: &[&str], file: &Path) -> Option<String> {
    match Command::new(program).args(args).arg(file).output() {
        Ok(output) => {
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said).into_owned();
            assert!(output.status.success(), "{program} {file:?}: {said}");
            Some(said)
        }
        Err(_) => {
            eprintln!("skipped: {program} is not here");
            None
        }
    }
}

#[test]
fn no_line_of_a_help_text_is_broken_by_the_terminal() {
    fn check(command: &clap::Command, name: &str) {
        let help = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        for line in help.lines() {
            // `max_term_width`
            assert!(line.chars().count() <= 100, "{name}: {line}");
        }
        for sub in command.get_subcommands() {
            check(sub, &format!("{name} {}", sub.get_name()));
        }
    }
    check(&cli::command(), "auditlog");
    check(&daemon::command(), "auditlogd");
}

#[test]
fn each_command_has_a_page_with_its_options_and_what_users_look_for() {
    fn check(dir: &TempDir, command: &clap::Command, name: &str, section: u8) {
        let text = plain(dir, &format!("{name}.{section}"));
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            let long = arg.get_long().map(|long| format!("--{long}")).unwrap_or_default();
            assert!(text.contains(&long), "{long} is missing in {name}.{section}");
        }
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "SEE ALSO"] {
            assert!(
                text.contains(&format!(".SH \"{section}\""))
                    || text.contains(&format!(".SH {section}")),
                "{section} is missing in {name}"
            );
        }
        if command.get_after_long_help().is_some() {
            for section in ["EXAMPLES", "EXIT STATUS"] {
                assert!(text.contains(section), "{section} is missing in {name}");
            }
        }
        for sub in command.get_subcommands() {
            check(dir, sub, &format!("{name}-{}", sub.get_name()), section);
        }
    }
    let dir = made();
    let mut tool = cli::command();
    tool.build();
    check(&dir, &tool, "auditlog", 1);
    check(&dir, &daemon::command(), "auditlogd", 8);
    for (page, synopsis) in [
        ("auditlog-decommission.1", "auditlog decommission [OPTIONS] --reason <TEXT>"),
        ("auditlog-query.1", "auditlog query [OPTIONS] [TEXT]..."),
        ("auditlogd.8", "auditlogd [OPTIONS]"),
    ] {
        assert!(plain(&dir, page).contains(&format!("\"SYNOPSIS\"\n{synopsis}\n")), "{page}");
    }
    let daemon = plain(&dir, "auditlogd.8");
    for section in ["SIGNALS", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"] {
        assert!(daemon.contains(section), "{section} is missing in auditlogd.8");
    }
    assert!(!daemon.contains("--announce-keys"), "a hidden option is shown");
}

#[test]
fn each_key_is_described_with_its_default_its_variable_and_when_it_is_in_force() {
    let text = plain(&made(), "auditlogd.toml.5");
    // Two tables may have a key of one name; they stand in the loader's order.
    let mut from = 0;
    for key in reference() {
        let tag = format!("\n{} = {}\n", key.name, key.default);
        let at = text[from..].find(&tag).unwrap_or_else(|| panic!("{tag:?} is missing"));
        from += at + tag.len() - 1;
        let entry = &text[from..];
        let entry = &entry[..entry.find("In force").map_or(0, |at| at + 400)];
        let force =
            if key.restart { "In force after a restart" } else { "In force after a reload" };
        assert!(entry.contains(force), "{}: {entry}", key.name);
        assert!(entry.contains(&key.variable), "{} is missing", key.variable);
    }
    for path in
        reference().iter().filter(|key| ["socket", "log_dir", "state_dir"].contains(&key.name))
    {
        let path = path.default.trim_matches('"');
        assert!(plain(&made(), "auditlogd.8").contains(path), "{path} is no file of auditlogd.8");
    }
}

#[test]
fn the_comments_of_the_shipped_file_agree_with_the_loader() {
    let keys = reference();
    let (mut comment, mut table, mut checked) = (String::new(), "", 0);
    for line in SHIPPED.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']');
        }
        let name = line.strip_prefix('#').and_then(|rest| rest.split_once(" = "));
        let key = name
            .and_then(|(name, _)| keys.iter().find(|key| key.table == table && key.name == name));
        let Some(key) = key else {
            if line.is_empty() {
                comment.clear();
            }
            comment.push_str(line);
            comment.push('\n');
            continue;
        };
        checked += 1;
        assert_eq!(comment.contains("[restart]"), key.restart, "{}: {comment}", key.name);
        let numbers: Vec<&str> = comment.split(|c: char| !c.is_ascii_digit()).collect();
        let words = match &key.range {
            Range::Numbers(least, most) | Range::NumbersOrZero(least, most) => {
                for end in [least, most] {
                    assert!(
                        numbers.contains(&&*end.to_string()),
                        "{} lacks {end}: {comment}",
                        key.name
                    );
                }
                continue;
            }
            Range::Words(words) => words.clone(),
            Range::Free => continue,
        };
        assert!(words.iter().all(|word| comment.contains(word)), "{}: {comment}", key.name);
    }
    assert_eq!(checked, keys.len());
}

#[test]
fn the_formats_are_there_with_every_heading_and_every_line_of_code() {
    let dir = made();
    for (source, page) in [
        (include_str!("../docs/ledger-format.md"), "auditlogd-ledger.5"),
        (include_str!("../docs/socket-protocol.md"), "auditlogd-protocol.5"),
        (include_str!("../docs/sqlite.md"), "auditlogd-database.5"),
    ] {
        let text = plain(&dir, page);
        let (mut code, mut before) = (false, "");
        for line in source.lines() {
            if code && before.is_ascii() && line.is_empty() {
                let found = text.contains(&format!("{before}\n\n"));
                assert!(found, "the empty line after {before:?} is missing in {page}");
            }
            before = line;
            if line.starts_with("```") {
                code = !code;
            } else if code && line.is_ascii() {
                let line = line.trim_end();
                assert!(text.contains(line), "{line:?} is missing in {page}");
            } else if let Some(heading) = line.strip_prefix("## ") {
                let heading = format!(".SH \"{}\"", heading.to_uppercase().replace('`', ""));
                let found = text.contains(&heading) || text.contains(&heading.replace('"', ""));
                assert!(found, "{heading:?} is missing in {page}");
            }
        }
    }
}

#[test]
fn every_page_is_clean_for_mandoc_and_groff() {
    let dir = made();
    for page in pages(&dir, "man") {
        let lint = run("mandoc", &["-T", "lint", "-W", "warning"], &page).unwrap_or_default();
        assert_eq!(lint, "", "{page:?}");
        let warnings = Command::new("groff")
            .args(["-ww", "-K", "utf8", "-t", "-man", "-T", "utf8", "-z", "-rLL=100n"])
            .arg(&page)
            .output();
        match warnings {
            Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{page:?}"),
            Err(_) => eprintln!("skipped: groff is not here"),
        }
    }
}

#[test]
fn the_same_sources_and_date_make_the_same_pages() {
    let (one, two) = (made(), made());
    for of in ["man", "completions"] {
        let (one, two) = (pages(&one, of), pages(&two, of));
        assert_eq!(one.len(), two.len());
        for (one, two) in one.iter().zip(&two) {
            assert_eq!(fs::read(one).expect("reads"), fs::read(two).expect("reads"), "{one:?}");
        }
    }
}

#[test]
fn completions_know_every_command_and_each_shell_can_read_them() {
    let dir = made();
    for (shell, tool, daemon) in [
        ("bash", "auditlog.bash", "auditlogd.bash"),
        ("zsh", "_auditlog", "_auditlogd"),
        ("fish", "auditlog.fish", "auditlogd.fish"),
    ] {
        let at = |file: &str| dir.path().join("completions").join(file);
        let text = fs::read_to_string(at(tool)).expect("reads");
        for sub in cli::command().get_subcommands() {
            assert!(text.contains(sub.get_name()), "{} is missing for {shell}", sub.get_name());
        }
        let text = fs::read_to_string(at(daemon)).expect("reads");
        assert!(text.contains("check") && !text.contains("announce"), "{shell}: {text}");
        run(shell, &["-n"], &at(tool));
        run(shell, &["-n"], &at(daemon));
    }
}
