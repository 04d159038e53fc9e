//! The tool `auditlog` without a daemon, or with a stand-in for one: output, exit codes and advice.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::JoinHandle;

use tempfile::TempDir;

fn auditlog(root: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditlog"));
    command.env_clear().env("TZ", "UTC").arg("--root").arg(root);
    command
}

fn run(root: &Path, args: &[&str]) -> Output {
    auditlog(root).args(args).stdin(Stdio::null()).output().expect("auditlog starts")
}

fn run_with(root: &Path, args: &[&str], input: &str) -> Output {
    let mut command = auditlog(root);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("auditlog starts");
    // A child that ends early closes the pipe.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("auditlog ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("utf-8")
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("no signal")
}

/// A root directory with something that listens where the daemon would.
fn listener() -> (TempDir, UnixListener) {
    let root = tempfile::tempdir().expect("a directory");
    std::fs::create_dir(root.path().join("run")).expect("a directory");
    let listener = UnixListener::bind(root.path().join("run/auditd.sock")).expect("a socket");
    (root, listener)
}

/// Speaks the protocol's acknowledgements with one client: lines with `bad` are rejected, and after
/// `most` lines it hangs up. Gives the event lines.
fn serve(listener: UnixListener, most: u64) -> JoinHandle<Vec<String>> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut lines = BufReader::new(stream.try_clone().expect("a copy")).lines();
        let hello = lines.next().expect("a hello").expect("text");
        assert_eq!(hello, r#"{"auditlog":{"ack":true}}"#);
        writeln!(stream, r#"{{"auditlog":{{"protocol":1,"log_id":"0f"}}}}"#).expect("it reads");
        let mut seen = Vec::new();
        for (n, line) in (1..=most).zip(lines.map_while(Result::ok)) {
            let reply = match line.contains("bad") {
                true => format!(
                    r#"{{"reject":{{"line":{n},"code":"invalid_json","message":"not\u001b JSON"}}}}"#
                ),
                false => format!(r#"{{"ack":{{"line":{n},"seq":{},"mac":"ab"}}}}"#, 100 + n),
            };
            writeln!(stream, "{reply}").expect("it reads");
            seen.push(line);
        }
        seen
    })
}

#[test]
fn emit_sends_one_event_from_options_and_says_its_seq() {
    let (root, listener) = listener();
    let server = serve(listener, u64::MAX);
    let output = run(root.path(), &["emit", "--type", "auth.login", "--set", "n:=1"]);
    assert_eq!(text(&output.stdout), "stored as seq 101\n");
    assert_eq!(code(&output), 0);
    assert_eq!(server.join().expect("served"), [r#"{"event_type":"auth.login","n":1}"#]);
}

#[test]
fn emit_names_rejected_lines_and_exits_with_1() {
    let (root, listener) = listener();
    let server = serve(listener, u64::MAX);
    let output = run_with(root.path(), &["emit"], "{}\n\nbad\n{}");
    assert_eq!(text(&output.stdout), "2 accepted, 1 rejected, last seq 103\n");
    assert_eq!(text(&output.stderr), "line 3 rejected (invalid_json): not\\u001b JSON\n");
    assert_eq!(code(&output), 1);
    assert_eq!(server.join().expect("served").len(), 3);
}

#[test]
fn emit_names_twenty_rejections_and_counts_the_others() {
    let (root, listener) = listener();
    let server = serve(listener, u64::MAX);
    let output = run_with(root.path(), &["emit", "--quiet"], &"bad\n".repeat(50));
    assert_eq!(text(&output.stderr).lines().count(), 21);
    assert!(text(&output.stderr).contains("\n30 more lines were rejected"));
    assert_eq!(text(&output.stdout), "");
    server.join().expect("served");
}

#[test]
fn emit_gives_the_receipt_as_json() {
    let (root, listener) = listener();
    let server = serve(listener, u64::MAX);
    let output = run_with(root.path(), &["emit", "--format", "json"], "{}\n");
    let want = r#"{"accepted":1,"rejected":0,"last_seq":101,"mac":"ab","log_id":"0f"}"#;
    assert_eq!(text(&output.stdout), format!("{want}\n"));
    server.join().expect("served");
}

#[test]
fn emit_that_loses_the_daemon_says_from_where_to_send_again() {
    let (root, listener) = listener();
    let server = serve(listener, 3);
    let output = run_with(root.path(), &["emit"], &"{}\n".repeat(100_000));
    assert_eq!(code(&output), 3);
    let want = "3 events are acknowledged and 0 rejected: send again from input line 4";
    assert!(text(&output.stderr).contains(want), "{}", text(&output.stderr));
    server.join().expect("served");
}

#[test]
fn emit_without_a_daemon_exits_with_3_and_says_what_to_do() {
    let root = tempfile::tempdir().expect("a directory");
    let output = run(root.path(), &["emit", "--type", "x"]);
    assert_eq!(code(&output), 3);
    let message = text(&output.stderr);
    assert!(message.contains("run/auditd.sock") && message.contains("--root"), "{message}");
    let output = run(root.path(), &["emit", "--type", "x", "-"]);
    assert_eq!(code(&output), 2);
}

#[test]
fn reading_without_a_database_exits_with_3_and_names_it() {
    let root = tempfile::tempdir().expect("a directory");
    for args in [&["query"][..], &["tail"], &["show", "0"], &["status"]] {
        let output = run(root.path(), args);
        assert_eq!(code(&output), 3, "{args:?}");
        let said = [output.stdout, output.stderr].concat();
        assert!(text(&said).contains("var/lib/auditlogd/audit.db"), "{args:?}");
    }
}

#[test]
fn a_wrong_command_line_exits_with_2() {
    let root = tempfile::tempdir().expect("a directory");
    for args in [
        &["query", "--since", "soon"][..],
        &["query", "--format", "xml"],
        &["query", "--since", "today", "--until", "yesterday"],
        &["tail", "--follow", "--format", "json"],
        &["emit", "--actor", "a", "--set", "actor=b"],
        &["no-such-command"],
        &[],
    ] {
        let output = run(root.path(), args);
        assert_eq!(code(&output), 2, "{args:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn config_check_prints_a_valid_configuration_and_names_the_place_of_an_error() {
    let root = tempfile::tempdir().expect("a directory");
    let file = root.path().join("a.toml");
    let path = file.to_str().expect("utf-8");
    std::fs::write(&file, "[ledger]\nepoch_seconds = 5\n").expect("written");
    let output = run(root.path(), &["config", "check", path]);
    assert_eq!(code(&output), 0);
    assert!(text(&output.stdout).contains("epoch_seconds = 5\n"), "{}", text(&output.stdout));

    std::fs::write(&file, "[ledger]\nepoch_second = 5\n").expect("written");
    let output = run(root.path(), &["config", "check", path]);
    assert_eq!(code(&output), 1);
    let message = text(&output.stderr);
    assert!(message.contains("a.toml") && message.contains("epoch_seconds`"), "{message}");
    assert_eq!(code(&run(root.path(), &["--config", path, "query"])), 2);
}

#[test]
fn every_command_explains_its_exit_codes() {
    let root = tempfile::tempdir().expect("a directory");
    let help = run(root.path(), &["--help"]);
    let commands: Vec<&str> = text(&help.stdout)
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .map_while(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.contains(&"emit") && commands.contains(&"query"), "{commands:?}");
    for command in commands {
        let args = if command == "config" { &["config", "check"][..] } else { &[command] };
        let help = run(root.path(), &[args, &["--help"]].concat());
        assert!(text(&help.stdout).contains("\nExit codes:\n  0  "), "{command}");
    }
}
