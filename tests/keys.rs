//! The keys of a log: what the owner is shown, and how the auditor key leaves the host.

mod common;
#[path = "keys/terminal.rs"]
mod terminal;

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{Daemon, eventually, tool};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::tempdir;

const TOOL: &str = env!("CARGO_BIN_EXE_auditlog");

fn state(root: &Path, name: &str) -> PathBuf {
    root.join("var/lib/auditlogd").join(name)
}

fn host_key(root: &Path) -> String {
    let text = fs::read_to_string(state(root, "auditor.key")).expect("the key is on the host");
    text.trim_end().to_owned()
}

/// Runs `auditlog keys …`; its exit code, and what it says.
fn keys(root: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = tool(root, &[&["keys"], args].concat());
    told(&output)
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Exports to FILE, and fails unless the exit code is `code` and it says `what`.
fn export(root: &Path, file: &Path, code: i32, what: &str) {
    let (status, out, err) =
        keys(root, &["export", "--auditor", file.to_str().expect("a path in UTF-8")]);
    assert_eq!((status, out.as_str()), (Some(code), ""), "{err}");
    assert!(err.contains(what), "{what:?} is missing in {err}");
}

/// Runs a shell script with the tool as `$1` and the root as `$2`.
fn shell(root: &Path, script: &str) -> (Option<i32>, String, String) {
    let mut sh = Command::new("sh");
    told(&sh.args(["-c", script, "sh", TOOL]).arg(root).output().expect("a shell"))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("is there").permissions().mode() & 0o777
}

/// Everything that the daemon wrote for others to read.
fn public_text(daemon: &Daemon) -> String {
    let mut text = daemon.log();
    for dir in ["var/log/auditlogd", "var/lib/auditlogd"] {
        for entry in fs::read_dir(daemon.root().join(dir)).expect("reads") {
            let path = entry.expect("reads").path();
            if path.file_name().is_none_or(|name| name != "auditor.key") {
                // The daemon runs: a temporary file may be gone again.
                match fs::read(path) {
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                    found => text += &String::from_utf8_lossy(&found.expect("reads")),
                }
            }
        }
    }
    text
}

#[test]
fn a_first_start_off_a_terminal_names_file_and_command_and_no_secret() {
    let daemon = Daemon::start();
    let key = host_key(daemon.root());
    assert_eq!(mode(&state(daemon.root(), "auditor.key")), 0o600);
    let said = daemon.log();
    let warnings: Vec<_> = said.lines().filter(|line| line.contains("auditor")).collect();
    let [warning] = warnings[..] else { panic!("one warning: {said}") };
    for part in ["WARN", "auditor.key", "auditlog keys export --auditor FILE", "genesis_pub"] {
        assert!(warning.contains(part), "{part} is missing in {warning}");
    }
    daemon.greeted().store("{}", 1);
    daemon.settle();
    assert!(!public_text(&daemon).contains(&key), "the key is elsewhere too");
    let status = daemon.tool(&["status"]);
    let status = String::from_utf8_lossy(&status.stdout).into_owned();
    let reminder = "take it away with `auditlog keys export --auditor FILE`";
    assert!(status.contains("auditor key: still on this host since 20"), "{status}");
    assert!(status.contains(reminder) && !status.contains(&key), "{status}");
    let created = &daemon.records("log_created")[0]["event"]["data"];
    assert_eq!(created["auditor_key"], "file");
}

#[test]
fn the_sheet_is_drawn_on_a_terminal_or_not_at_all() {
    let daemon = Daemon::start();
    let mut sheet = Command::new(env!("CARGO_BIN_EXE_auditlogd"));
    let sheet = sheet.arg("--announce-keys").arg("--root").arg(daemon.root());
    let (code, out, said) = told(&sheet.output().expect("auditlogd runs"));
    assert_eq!((code, out.as_str()), (Some(1), ""), "{said}");
    assert!(said.contains("no terminal") && !said.contains('█'), "{said}");
}

#[test]
fn a_restart_reminds_the_owner_until_the_key_is_gone() {
    let stopped = Daemon::start().stop();
    let reminders = |text: &str| text.matches("is on this host since").count();
    assert_eq!(reminders(&stopped.daemon.log()), 0, "the first start says it in its own words");
    let stopped = Daemon::start_in(stopped.daemon.kill(), "").stop();
    assert_eq!(reminders(&stopped.daemon.log()), 1);
    let key = host_key(stopped.daemon.root());
    assert!(!stopped.daemon.log().contains(&key));

    // Removed while no daemon runs, in whatever way: recorded once.
    fs::remove_file(state(stopped.daemon.root(), "auditor.key")).expect("removes");
    let stopped = Daemon::start_in(stopped.daemon.kill(), "").stop();
    let stopped = Daemon::start_in(stopped.daemon.kill(), "").stop();
    assert_eq!(reminders(&stopped.daemon.log()), 1);
    assert_eq!(stopped.daemon.records("auditor_key_removed").len(), 1);
}

#[test]
fn an_exported_key_is_whole_and_private_proves_the_macs_and_is_gone_from_the_host() {
    let daemon = Daemon::start();
    daemon.greeted().store("{\"event_type\":\"x\"}", 1);
    let (key, elsewhere) = (host_key(daemon.root()), tempdir().expect("dir"));
    let file = elsewhere.path().join("auditor.key");
    export(daemon.root(), &file, 0, "no longer in this host's state directory");
    assert_eq!(fs::read_to_string(&file).expect("reads"), format!("{key}\n"));
    assert_eq!(mode(&file), 0o600);
    assert!(!state(daemon.root(), "auditor.key").exists());

    daemon.reload();
    let removed =
        eventually("the removal is recorded", || daemon.records("auditor_key_removed").pop());
    assert!(removed["event"]["data"]["last_seen"].is_string(), "{removed}");
    let again = elsewhere.path().join("again");
    eventually("the command knows since when", || {
        let (code, _, said) =
            keys(daemon.root(), &["export", "--auditor", again.to_str().expect("UTF-8")]);
        assert_eq!(code, Some(3), "{said}");
        said.contains("already taken away (the daemon noticed at 20").then_some(())
    });
    assert!(!again.exists());

    let with = |key: &Path| daemon.tool(&["verify", "--auditor-key", key.to_str().expect("UTF-8")]);
    assert_eq!(with(&file).status.code(), Some(0), "{:?}", with(&file));
    let wrong = elsewhere.path().join("wrong");
    fs::write(&wrong, "ab".repeat(32)).expect("writes");
    let output = with(&wrong);
    assert_eq!(output.status.code(), Some(6), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("the auditor key that was given is not the one of this log"), "{said}");
}

#[test]
fn nothing_that_is_there_is_overwritten_and_the_key_has_to_leave_the_logs_directories() {
    let daemon = Daemon::start();
    let (key, elsewhere) = (host_key(daemon.root()), tempdir().expect("dir"));
    let file = elsewhere.path().join("taken");
    fs::write(&file, "something").expect("writes");
    export(daemon.root(), &file, 3, "exists already and is not overwritten");
    assert_eq!(fs::read_to_string(&file).expect("reads"), "something");
    let link = elsewhere.path().join("link");
    std::os::unix::fs::symlink(elsewhere.path().join("nowhere"), &link).expect("links");
    export(daemon.root(), &link, 3, "exists already");

    std::os::unix::fs::symlink(daemon.root().join("var"), elsewhere.path().join("var"))
        .expect("links");
    for inside in ["var/lib/auditlogd/k", "var/log/auditlogd/k"] {
        export(daemon.root(), &daemon.root().join(inside), 2, "in the log's own directory");
        export(daemon.root(), &elsewhere.path().join(inside), 2, "in the log's own directory");
    }
    export(daemon.root(), &elsewhere.path().join("no/such/place"), 3, "cannot be used");
    assert_eq!(host_key(daemon.root()), key);
    let near = elsewhere.path().join("near");
    export(daemon.root(), &near, 0, "on the same file system");
}

#[test]
fn a_full_disk_costs_the_copy_and_not_the_key() {
    let daemon = Daemon::start();
    let (key, elsewhere) = (host_key(daemon.root()), tempdir().expect("dir"));
    let file = elsewhere.path().join("key");
    let script = format!(
        "trap '' XFSZ; ulimit -f 0; exec \"$1\" --root \"$2\" keys export --auditor {}",
        file.display()
    );
    let (code, _, said) = shell(daemon.root(), &script);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("could not be written"), "{said}");
    assert!(said.contains("this host's copy was left as it is"), "{said}");
    assert!(!file.exists(), "half a key is no key");
    assert_eq!(host_key(daemon.root()), key);
}

#[test]
fn a_pipe_gets_one_bare_line_and_only_if_somebody_reads_it() {
    let daemon = Daemon::start();
    let key = host_key(daemon.root());
    let export = "\"$1\" --root \"$2\" keys export --auditor -";
    let refused = [
        format!("{export} >/dev/null"),
        format!("{export} >\"$2/file\""),
        format!("( {export}; echo status $? >&2 ) | true"),
        format!("( {export}; echo status $? >&2 ) | sleep 0.2"),
    ];
    for script in refused {
        let (code, out, said) = shell(daemon.root(), &script);
        assert_eq!(out, "", "{script}");
        assert!(code == Some(2) || said.contains("status 3"), "{script}: {said}");
        assert_eq!(host_key(daemon.root()), key, "{script}");
    }
    let (_, out, said) = shell(daemon.root(), &format!("{export} | cat"));
    assert_eq!(out, format!("{key}\n"), "{said}");
    assert!(!state(daemon.root(), "auditor.key").exists());
}

#[test]
fn a_socket_gets_the_key_too_unless_it_is_the_journals() {
    let daemon = Daemon::start();
    let key = host_key(daemon.root());
    for (journal, want) in [(true, Some(2)), (false, Some(0))] {
        let (mut reader, writer) = UnixStream::pair().expect("a pair");
        let about = nix::sys::stat::fstat(&writer).expect("known");
        let stream = format!("{}:{}", about.st_dev, about.st_ino);
        let mut export = Command::new(TOOL);
        export.env("JOURNAL_STREAM", if journal { &stream } else { "1:1" });
        export.arg("--root").arg(daemon.root()).args(["keys", "export", "--auditor", "-"]);
        let status = export.stdout(OwnedFd::from(writer)).status().expect("auditlog runs");
        // The command holds the other end as its standard output.
        drop(export);
        let mut out = String::new();
        reader.read_to_string(&mut out).expect("reads");
        let want_out = if journal { String::new() } else { format!("{key}\n") };
        assert_eq!((status.code(), out), (want, want_out));
        assert_eq!(state(daemon.root(), "auditor.key").exists(), journal);
    }
}

#[test]
fn a_key_that_was_copied_otherwise_is_compared_before_it_is_removed() {
    let daemon = Daemon::start();
    let (key, elsewhere) = (host_key(daemon.root()), tempdir().expect("dir"));
    let copy = elsewhere.path().join("copy");
    let remove = || keys(daemon.root(), &["remove", "--auditor", copy.to_str().expect("UTF-8")]);
    for (text, want) in [("ab".repeat(32), 3), ("nonsense".to_owned(), 2)] {
        fs::write(&copy, text).expect("writes");
        let (code, _, said) = remove();
        assert_eq!(code, Some(want), "{said}");
    }
    fs::remove_file(&copy).expect("removes");
    fs::hard_link(state(daemon.root(), "auditor.key"), &copy).expect("links");
    let (code, _, said) = remove();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("this host's own copy"), "{said}");
    let own = "\"$1\" --root \"$2\" keys remove --auditor - <\"$2/var/lib/auditlogd/auditor.key\"";
    assert_eq!(shell(daemon.root(), own).0, Some(2));
    assert_eq!(host_key(daemon.root()), key);

    fs::remove_file(&copy).expect("removes");
    fs::write(&copy, in_groups(&key).join("\n").to_uppercase()).expect("writes");
    let (code, _, said) = remove();
    assert_eq!(code, Some(0), "{said}");
    assert!(!state(daemon.root(), "auditor.key").exists());
}

#[test]
fn show_prints_public_keys_in_every_form_and_never_the_secret_one() {
    let daemon = Daemon::start();
    let key = host_key(daemon.root());
    let genesis = fs::read_to_string(state(daemon.root(), "genesis.pub")).expect("reads");
    let vkey = fs::read_to_string(state(daemon.root(), "checkpoint.vkey")).expect("reads");
    let show = |args: &[&str]| {
        let (code, out, err) = keys(daemon.root(), &[&["show"], args].concat());
        assert_eq!((code, err.as_str()), (Some(0), ""));
        assert!(!out.contains(&key), "{out}");
        out
    };
    assert_eq!(show(&["--genesis"]), genesis);
    assert_eq!(show(&["--checkpoint"]), vkey);
    let text = show(&[]);
    assert!(text.contains(genesis.trim()) && text.contains(vkey.trim()), "{text}");
    assert!(text.contains("still on this host since 20"), "{text}");
    let lower_edges = show(&["--qr"]).lines().filter(|line| line.starts_with("▀▀▀▀")).count();
    assert_eq!(lower_edges, 2, "a code of each public key");
    let json: Value = serde_json::from_str(&show(&["--format", "json"])).expect("JSON");
    assert_eq!(json["genesis_pub"], genesis.trim());
    assert_eq!(json["auditor_key"]["state"], "on_host");
    assert_eq!(json["log_id"], daemon.records("log_created")[0]["event"]["data"]["log_id"]);

    let (code, _, said) = keys(tempdir().expect("dir").path(), &["show"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("there is no log"), "{said}");
}

/// A daemon's first start with a directory of credentials: it is stopped once it is ready.
fn start_with_credential(root: &Path, key: &str) -> (Option<i32>, String) {
    let credentials = tempdir().expect("dir");
    fs::write(credentials.path().join("auditlogd.auditor-key"), key).expect("writes");
    let log = root.join("said");
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_auditlogd"));
    daemon.arg("--root").arg(root).env("CREDENTIALS_DIRECTORY", credentials.path());
    daemon.env_remove("JOURNAL_STREAM").stderr(File::create(&log).expect("creates"));
    let mut daemon = daemon.spawn().expect("auditlogd runs");
    let said = || fs::read_to_string(&log).expect("reads");
    let status = eventually("the daemon is ready or has ended", || {
        if said().contains(" ready ") {
            kill(Pid::from_raw(daemon.id() as i32), Signal::SIGTERM).expect("signals");
            return Some(daemon.wait().expect("waits"));
        }
        daemon.try_wait().expect("waits")
    });
    (status.code(), said())
}

#[test]
fn a_credential_becomes_the_auditor_key_of_a_new_log_and_of_no_other() {
    let root = tempdir().expect("dir");
    let key = "0123456789abcdef".repeat(4);
    let (code, said) = start_with_credential(root.path(), &format!("{key}\n"));
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("with the auditor key of a credential"), "{said}");
    assert!(!said.contains(&key) && !state(root.path(), "auditor.key").exists());

    // Once the log exists the credential does not matter, be it wrong or gone.
    let (code, said) = start_with_credential(root.path(), "nonsense");
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("credential") && !said.contains("WARN"), "{said}");

    let file = root.path().join("key");
    fs::write(&file, &key).expect("writes");
    let verify = tool(root.path(), &["verify", "--auditor-key", file.to_str().expect("UTF-8")]);
    assert_eq!(verify.status.code(), Some(0), "{verify:?}");
    let (_, shown, _) = keys(root.path(), &["show"]);
    assert!(shown.contains("came with a systemd credential"), "{shown}");
    let daemon = Daemon::start_in(root, "");
    assert_eq!(daemon.records("log_created")[0]["event"]["data"]["auditor_key"], "credential");
    assert!(daemon.records("auditor_key_removed").is_empty());
    assert!(!public_text(&daemon).contains(&key));
}

#[test]
fn a_credential_that_is_no_key_refuses_to_start_and_is_not_repeated() {
    let root = tempdir().expect("dir");
    for wrong in ["", "deadbeef", &"0123456789abcdeg".repeat(4), &"01".repeat(600)] {
        let (code, said) = start_with_credential(root.path(), wrong);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("auditlogd.auditor-key\" does not hold 64 hex digits"), "{said}");
        assert!(wrong.is_empty() || !said.contains(wrong), "{said}");
        assert!(!root.path().join("var/log/auditlogd/audit.jsonl").exists());
    }
}

/// Two lines of four groups of eight, as on the sheet.
fn in_groups(key: &str) -> [String; 2] {
    let groups = |half: &str| {
        let groups: Vec<_> = (0..4).map(|i| half[8 * i..8 * i + 8].to_owned()).collect();
        groups.join("  ")
    };
    [groups(&key[..32]), groups(&key[32..])]
}
