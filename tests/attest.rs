//! `auditlog attest`: the page says what `verify` found, holds nothing but text of the log, and needs
//! nothing from anywhere.

mod common;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{Daemon, tool, verify};
use roxmltree::{Document, Node, ParsingOptions};
use tempfile::TempDir;

/// Text that would do something if it were not escaped.
const HOSTILE: &str =
    "</td></table><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}&lt;";

/// The directory of a daemon that stored these events and stopped.
fn log_of(events: &[String]) -> TempDir {
    let daemon = Daemon::start();
    let mut client = daemon.greeted();
    for (line, event) in (1..).zip(events) {
        client.store(event, line);
    }
    daemon.stop().daemon.kill()
}

fn log() -> TempDir {
    let event = |n: u32| format!(r#"{{"event_type":"t.{}","source":"web","priority":4}}"#, n % 3);
    log_of(&(0..10).map(event).collect::<Vec<_>>())
}

fn segment(root: &Path) -> PathBuf {
    root.join("var/log/auditlogd/audit.jsonl")
}

/// Runs it for a page below the directory; the page, if there is one.
fn attest(root: &Path, args: &[&str]) -> (Output, String) {
    let page = root.join("evidence.html");
    let output = tool(root, &[&["attest", "-o", page.to_str().expect("UTF-8")], args].concat());
    (output, fs::read_to_string(page).unwrap_or_default())
}

/// The page as a tree; it is well-formed as XML too.
fn parse(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|e| panic!("{e}: {page}"))
}

fn text(node: Node<'_, '_>) -> String {
    let all: String = node.descendants().filter_map(|n| n.text().filter(|_| n.is_text())).collect();
    all.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn named<'a, 'i>(page: &'a Document<'i>, name: &str) -> Vec<Node<'a, 'i>> {
    page.descendants().filter(|node| node.has_tag_name(name)).collect()
}

/// The cells of the table with this caption, row by row.
fn table(page: &Document<'_>, caption: &str) -> Vec<Vec<String>> {
    let tables = named(page, "table");
    let is_it = |table: &&Node<'_, '_>| {
        let captions = table.children().find(|node| node.has_tag_name("caption"));
        captions.is_some_and(|found| text(found).starts_with(caption))
    };
    let table = tables.iter().find(is_it).unwrap_or_else(|| panic!("no table {caption}"));
    let body = table.children().find(|node| node.has_tag_name("tbody")).expect("a body");
    let rows = body.children().filter(|node| node.has_tag_name("tr"));
    rows.map(|row| row.children().filter(Node::is_element).map(text).collect()).collect()
}

fn row<'t>(table: &'t [Vec<String>], first: &str) -> &'t [String] {
    table.iter().find(|row| row[0].contains(first)).unwrap_or_else(|| panic!("{first}: {table:?}"))
}

#[test]
fn the_page_says_what_verify_says() {
    let log = log();
    let (output, page) = attest(log.path(), &[]);
    let (code, said) = verify(log.path());
    assert_eq!((output.status.code(), code), (Some(0), Some(0)));
    let sentence = said.lines().next().expect("a sentence");
    let terminal = String::from_utf8_lossy(&output.stdout);
    assert!(terminal.starts_with(sentence) && terminal.contains("evidence.html"), "{terminal}");

    let page = parse(&page);
    assert!(text(page.root()).contains(sentence));
    let word = page.descendants().find(|node| node.attribute("class") == Some("word"));
    assert_eq!(word.map(text).as_deref(), Some("OK, UNANCHORED"));
    let checked = table(&page, "What was read and checked");
    assert_eq!(row(&checked, "Event lines")[1], "14");
    assert_eq!(row(&checked, "Seals")[1], "2 with root, chain and signature");
    assert!(row(&checked, "Database")[1].starts_with("every row compared"));
    let types = table(&page, "By type");
    assert_eq!(row(&types, "t.0"), ["“t.0”", "4"]);
    assert_eq!(row(&types, "t.2"), ["“t.2”", "3"]);
    assert_eq!(row(&table(&page, "By source"), "web")[1], "10");
    assert_eq!(row(&table(&page, "By priority"), "warning")[1], "10");
    let happened = table(&page, "Starts, stops");
    assert_eq!(happened.len(), 3, "{happened:?}");
    let seals = table(&page, "Each seal of the period");
    assert_eq!([&seals[0][3], &seals[1][3]], ["created", "stop"]);
    let ranges = table(&page, "Parts of the log");
    assert_eq!(ranges.iter().map(|row| row[1].as_str()).collect::<Vec<_>>(), ["Not anchored"]);
    let keys = table(&page, "A key that was found beside the log");
    assert!(row(&keys, "Genesis key")[2].starts_with("Found on the host"), "{keys:?}");
    for standard in
        ["PCI DSS 4.0.1", "SOC 2", "ISO/IEC 27001:2022", "HIPAA", "Sarbanes-Oxley", "MiFID II"]
    {
        assert!(named(&page, "h3").into_iter().any(|h3| text(h3).contains(standard)), "{standard}");
    }
}

#[test]
fn the_page_loads_nothing_and_runs_nothing() {
    let log = log();
    let (_, source) = attest(log.path(), &[]);
    assert!(!source.contains("http:") && !source.contains("https:"));
    let page = parse(&source);
    let elements = || page.descendants().filter(Node::is_element);
    for node in elements() {
        let name = node.tag_name().name();
        assert!(!["script", "link", "img", "iframe", "object", "base", "form"].contains(&name));
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            assert!(!name.starts_with("on") && name != "src" && name != "style", "{name}");
            assert!(name != "href" || value.starts_with('#'), "{value}");
        }
    }
    for style in named(&page, "style").into_iter().map(text) {
        assert!(!style.contains("url(") && !style.contains("@import"), "{style}");
    }
    // What it refers to within itself is there.
    let ids: Vec<_> = elements().filter_map(|node| node.attribute("id")).collect();
    let named_by = ["href", "aria-labelledby"];
    for id in
        elements().flat_map(|n| named_by.into_iter().filter_map(move |name| n.attribute(name)))
    {
        assert!(ids.contains(&id.trim_start_matches('#')), "{id}");
    }
    assert_eq!(named(&page, "html")[0].attribute("lang"), Some("en"));
    assert_eq!(named(&page, "h1").len(), 1);
    for table in named(&page, "table") {
        assert!(table.children().any(|node| node.has_tag_name("caption")));
    }
}

#[test]
fn text_of_the_log_is_only_ever_text() {
    let quoted = serde_json::to_string(HOSTILE).expect("JSON");
    let log = log_of(&[format!(r#"{{"event_type":{quoted},"source":{quoted}}}"#)]);
    let name = "a\"><script>alert(3)</script>";
    let dir = segment(log.path());
    let hostile = dir.with_file_name(name.replace('/', "\u{2215}"));
    fs::rename(&dir, &hostile).expect("renames");
    // A finding whose place is that file.
    let text_of_log = fs::read_to_string(&hostile).expect("reads");
    let at = text_of_log.find("stopped").expect("a record");
    let mut bytes = text_of_log.into_bytes();
    bytes[at] = b'S';
    fs::write(&hostile, bytes).expect("writes");
    let (output, source) = attest(log.path(), &[]);
    assert_eq!(output.status.code(), Some(4));
    let page = parse(&source);
    assert!(named(&page, "script").is_empty() && named(&page, "img").is_empty());
    let shown = text(page.root());
    assert!(shown.contains("</td></table><script>alert(1)</script><img src=x"), "{shown}");
    assert!(shown.contains("\\u202e&lt;”"), "{shown}");
    assert!(shown.contains("a\"><script>alert(3)"), "{shown}");
    assert!(!source.contains('\u{202e}'));
}

#[test]
fn a_tampered_log_has_its_page_too() {
    let log = log();
    let lines = fs::read_to_string(segment(log.path())).expect("reads");
    fs::write(segment(log.path()), lines.replacen("\"t.1\"", "\"t.7\"", 1)).expect("writes");
    let (output, page) = attest(log.path(), &[]);
    assert_eq!((output.status.code(), verify(log.path()).0), (Some(4), Some(4)));
    let page = parse(&page);
    let verdict = page.descendants().find(|node| node.attribute("class") == Some("verdict bad"));
    assert!(verdict.is_some_and(|verdict| text(verdict).starts_with("TAMPERED")));
    let findings = table(&page, "Everything that matters");
    assert_eq!(findings[0][0], "TAMPERED");
    assert!(text(page.root()).contains("the numbers are not evidence"));
}

#[test]
fn an_anchor_divides_the_log_into_what_is_vouched_for_and_what_is_not() {
    let daemon = Daemon::start_in(log(), "");
    let checkpoint = daemon.root().join("var/lib/auditlogd/checkpoint");
    let kept = daemon.root().join("kept");
    fs::copy(checkpoint, &kept).expect("copies");
    daemon.greeted().store("{}", 1);
    let stopped = daemon.stop();
    let genesis = fs::read_to_string(stopped.daemon.root().join("var/lib/auditlogd/genesis.pub"));
    let genesis = genesis.expect("reads");
    let args = ["--anchor", kept.to_str().expect("UTF-8"), "--key", genesis.trim()];
    let (output, page) = attest(stopped.daemon.root(), &args);
    assert_eq!(output.status.code(), Some(0));
    let page = parse(&page);
    let ranges = table(&page, "Parts of the log");
    let states: Vec<_> = ranges.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(states, ["Anchored", "Not anchored"], "{ranges:?}");
    let keys = table(&page, "A key that was found beside the log");
    assert_eq!(row(&keys, "Genesis key")[1..], [genesis.trim(), "Given with --key."]);
}

#[test]
fn a_copy_without_a_key_is_unverifiable() {
    let log = log();
    let copy = tempfile::tempdir().expect("a directory");
    fs::copy(segment(log.path()), copy.path().join("audit.jsonl")).expect("copies");
    let (output, page) = attest(log.path(), &[copy.path().to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(6));
    assert!(text(parse(&page).root()).contains("no genesis key was given"));
}

#[test]
fn only_the_period_is_told() {
    let log = log();
    let (_, page) = attest(log.path(), &["--until", "2001-01-01"]);
    let page = parse(&page);
    let shown = text(page.root());
    assert!(shown.contains("0 events of clients and 0 records"), "{shown}");
    assert!(shown.contains("There is no seal in the period"), "{shown}");
    assert!(shown.contains("Nothing of the kind happened in the period"), "{shown}");
    assert_eq!(row(&table(&page, "What was read and checked"), "Event lines")[1], "14");
}

#[test]
fn the_sums_are_those_of_sha256sum() {
    let daemon = Daemon::start_in(log(), "");
    fs::rename(daemon.segment(), daemon.segment().with_file_name("audit.jsonl-1"))
        .expect("renames");
    daemon.reload();
    let stopped = daemon.stop();
    let (_, page) = attest(stopped.daemon.root(), &[]);
    let page = parse(&page);
    let sums =
        named(&page, "pre").into_iter().map(text).find(|text| text.contains("audit.jsonl-1"));
    let mut sha256sum = Command::new("sha256sum");
    sha256sum
        .args(["--check", "--strict", "-"])
        .current_dir(stopped.daemon.segment().parent().expect("a parent"));
    let mut child = sha256sum.stdin(Stdio::piped()).spawn().expect("sha256sum runs");
    // White space was joined.
    let sums = sums.expect("a block of sums").replacen(' ', "  ", 1);
    writeln!(child.stdin.take().expect("piped"), "{sums}").expect("takes it");
    assert!(child.wait().expect("ends").success());
    let files = table(&page, "The files of the log");
    let size = fs::metadata(stopped.daemon.segment()).expect("is there").len();
    assert_eq!(files[1][2].replace(',', ""), size.to_string());
}

#[test]
fn what_cannot_be_done_is_said() {
    let log = log();
    let code = |args: &[&str]| tool(log.path(), &[&["attest"], args].concat()).status.code();
    assert_eq!(code(&[]), Some(2), "no output was named");
    assert_eq!(code(&["-o", "/nowhere/x.html"]), Some(3));
    assert_eq!(code(&["-o", "-", "--since", "today", "--until", "yesterday"]), Some(2));
    assert_eq!(code(&["-o", "-", "--since", "whenever"]), Some(2));
    let output = tool(log.path(), &["attest", "-o", "-"]);
    assert!(output.stdout.starts_with(b"<!DOCTYPE html>"));
    assert!(String::from_utf8_lossy(&output.stdout).trim_end().ends_with("</html>"));
}
