//! Files, and the journal where it is standard error.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use auditlogd::ledger::anchor::{self, Anchor};
use auditlogd::ledger::note::Note;
use tempfile::TempDir;

use super::common::{Daemon, eventually};
use super::helpers::*;

fn config(path: &Path) -> String {
    format!("[[anchor]]\ntype = \"file\"\npath = \"{}\"\n", path.display())
}

/// A directory elsewhere, a daemon with an anchor in it, and the log's first checkpoint, which is there.
fn daemon() -> (TempDir, std::path::PathBuf, Daemon, String) {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let path = elsewhere.path().join("anchors.txt");
    let daemon = Daemon::start_with(&config(&path));
    let born = checkpoint(&daemon);
    delivered(&daemon, &born);
    (elsewhere, path, daemon, born)
}

/// The notes of a file, each as it stands there.
fn notes(text: &str) -> Vec<String> {
    let mut notes = Vec::new();
    for part in text.split_inclusive("\n\n").collect::<Vec<_>>().chunks(2) {
        let note = part.concat();
        notes.push(note.strip_suffix('\n').expect("an empty line after each").to_owned());
    }
    notes
}

#[test]
fn each_seal_adds_a_note_for_everybody_and_the_stop_the_last_one() {
    let (_elsewhere, path, daemon, born) = daemon();
    let first = seal(&daemon);
    delivered(&daemon, &first);
    let second = seal(&daemon);
    delivered(&daemon, &second);
    let stopped = daemon.stop();
    assert!(stopped.status.success(), "{}", stopped.daemon.log());
    let last = checkpoint(&stopped.daemon);
    let text = fs::read_to_string(&path).expect("text");
    assert_eq!(notes(&text), [born, first, second, last]);
    for note in notes(&text) {
        Note::parse(&note).expect("a signed note");
    }
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o644);
}

#[test]
fn what_it_has_is_known_after_a_restart_and_nothing_comes_twice() {
    let (_elsewhere, path, daemon, born) = daemon();
    let before = seal(&daemon);
    delivered(&daemon, &before);
    let daemon = Daemon::start_in(daemon.kill(), &config(&path));
    // The start after a crash seals: there is a new checkpoint at once.
    let after = checkpoint(&daemon);
    assert!(size(&after) > size(&before));
    delivered(&daemon, &after);
    assert_eq!(notes(&fs::read_to_string(&path).expect("text")), [born, before, after]);
    assert!(status(&daemon)["metrics"]["anchor_deliveries"].as_u64() >= Some(1));
    let text = daemon.tool(&["status"]).stdout;
    let text = String::from_utf8_lossy(&text);
    assert!(text.contains(&format!("file {}: has the first", path.display())), "{text}");
}

#[test]
fn a_file_beside_the_log_is_no_anchor_also_through_a_link() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let link = elsewhere.path().join("link");
    let daemon = Daemon::start_with(&config(&link.join("anchors.txt")));
    let log_dir = daemon.segment().parent().expect("a directory").to_owned();
    std::os::unix::fs::symlink(&log_dir, &link).expect("a link");
    seal(&daemon);
    eventually("the link is found out", || failure(&daemon).contains("vouch").then_some(()));
    assert!(!log_dir.join("anchors.txt").exists());

    let path = elsewhere.path().join("segment");
    std::os::unix::fs::symlink(daemon.segment(), &path).expect("a link");
    daemon.configure(&config(&path));
    let before = daemon.lines().len();
    daemon.reload();
    assert!(failure(&daemon).contains("is with the log itself"));
    // The lines of the reload, and no note among them.
    assert!(daemon.lines().len() > before);
}

#[test]
fn a_fifo_without_a_reader_holds_nothing_up_and_is_written_once_there_is_one() {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let path = elsewhere.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
    let daemon = Daemon::start_with(&config(&path));
    let note = seal(&daemon);
    assert!(failure(&daemon).contains("could not be written"));
    let reader = fs::OpenOptions::new().read(true).write(true).open(&path).expect("opens");
    delivered(&daemon, &note);
    let mut lines = BufReader::new(reader).lines();
    assert_eq!(lines.next().expect("a line").expect("text"), note.lines().next().expect("origin"));
}

#[test]
fn without_journald_the_journal_is_standard_error() {
    let daemon = Daemon::start_with("[[anchor]]\ntype = \"journal\"\n");
    let born = checkpoint(&daemon);
    delivered(&daemon, &born);
    let note = seal(&daemon);
    delivered(&daemon, &note);
    assert!(daemon.log().contains(&format!("{note}\n")), "{}", daemon.log());
    let stopped = daemon.stop().daemon;
    assert!(stopped.log().contains(&checkpoint(&stopped)), "{}", stopped.log());
    // A verifier takes the log as it is, with all that stands between the notes.
    let found = anchor::read(&stopped.log()).expect("anchors");
    let sizes = found.list.iter().map(|anchor| match anchor {
        Anchor::Checkpoint { checkpoint, .. } => checkpoint.size,
        Anchor::Receipt(_) => 0,
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [size(&born), size(&note), size(&checkpoint(&stopped))]);
}
