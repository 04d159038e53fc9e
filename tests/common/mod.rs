//! A daemon of its own for a test, and clients of it.

// Every test binary uses another part of this.
#![allow(dead_code)]

pub mod auditor;
pub mod cases;
pub mod chance;
pub mod lab;
pub mod log;
pub mod logrotate;
pub mod manager;
pub mod notified;
pub mod pruning;
pub mod running;
pub mod traffic;
pub mod tree;
pub mod unsynced;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything takes, also on a slow machine that does other things besides.
pub const LONG: Duration = Duration::from_secs(60);

/// Waits for something that another process or thread brings about.
pub fn eventually<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < LONG, "never: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The one process that this one has started and not yet reaped; none while there are others.
pub fn only_child(pid: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.trim().parse().ok()
}

/// `auditlogd --root DIR`, killed when dropped.
pub struct Daemon {
    root: TempDir,
    child: Child,
}

impl Daemon {
    /// Starts it below a fresh directory with the defaults and waits until it takes connections.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// The same with a configuration file.
    pub fn start_with(config: &str) -> Self {
        Self::start_in(tempfile::tempdir().expect("temporary directory"), config)
    }

    /// Starts it below a directory that may hold a log already.
    pub fn start_in(root: TempDir, config: &str) -> Self {
        Self::start_with_env(root, config, &[])
    }

    /// The same with more in its environment.
    pub fn start_with_env(root: TempDir, config: &str, env: &[(&str, &OsStr)]) -> Self {
        let mut command = command(root.path());
        command.envs(env.iter().copied());
        Self::start_command(command, root, config)
    }

    /// The same through a program that runs what its last arguments say.
    pub fn start_under(wrapper: &[&str], root: TempDir, config: &str) -> Self {
        let mut command = clean(wrapper[0]);
        command.args(&wrapper[1..]).arg(env!("CARGO_BIN_EXE_auditlogd"));
        Self::start_command(for_root(command, root.path()), root, config)
    }

    fn start_command(mut command: Command, root: TempDir, config: &str) -> Self {
        write_config(root.path(), config);
        let child = command.stderr(log(root.path())).spawn().expect("auditlogd runs");
        let mut daemon = Self { root, child };
        let socket = daemon.socket();
        eventually("the daemon takes connections", || {
            if let Some(status) = daemon.child.try_wait().expect("waits") {
                panic!("auditlogd ended with {status}: {}", daemon.log());
            }
            UnixStream::connect(&socket).ok()
        });
        // It binds its socket before it opens the log; an answer means that it is ready.
        daemon.greeted();
        daemon
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn socket(&self) -> PathBuf {
        self.root().join("run/auditd.sock")
    }

    /// The active segment.
    pub fn segment(&self) -> PathBuf {
        self.root().join("var/log/auditlogd/audit.jsonl")
    }

    pub fn database(&self) -> PathBuf {
        self.root().join("var/lib/auditlogd/audit.db")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said about itself.
    pub fn log(&self) -> String {
        fs::read_to_string(self.root().join("stderr")).unwrap_or_default()
    }

    /// Runs `auditlog` for its directory.
    pub fn tool(&self, args: &[&str]) -> Output {
        tool(self.root(), args)
    }

    /// Writes another configuration, for the next reload.
    pub fn configure(&self, config: &str) {
        write_config(self.root(), config);
    }

    /// Sends SIGHUP and waits until the daemon has done what it asks for.
    pub fn reload(&self) {
        let ends = [" reloaded\n", " the log was reopened\n"];
        let done = || ends.iter().map(|end| self.log().matches(end).count()).sum::<usize>();
        let before = done();
        self.signal(Signal::SIGHUP);
        eventually("the daemon has reloaded", || (done() > before).then_some(()));
    }

    /// Waits until the database has every line of the ledger.
    pub fn settle(&self) {
        eventually("the index is up to date", || {
            let status = self.tool(&["status"]);
            String::from_utf8_lossy(&status.stdout).contains("up to date").then_some(())
        });
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid() as i32), signal).expect("signals");
    }

    /// Lets it stand still until SIGCONT: when this returns none of its threads runs any more.
    pub fn stand_still(&self) {
        self.signal(Signal::SIGSTOP);
        let tasks = format!("/proc/{}/task", self.pid());
        eventually("all its threads stand still", || {
            let mut tasks = fs::read_dir(&tasks).expect("lists");
            let stands = |task: fs::DirEntry| {
                let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
            };
            tasks.all(|task| stands(task.expect("lists"))).then_some(())
        });
    }

    /// A client that wants no replies.
    pub fn connect(&self) -> Client {
        Client::new(UnixStream::connect(self.socket()).expect("connects"))
    }

    /// A client that wants replies, and has been greeted.
    pub fn greeted(&self) -> Client {
        let mut client = self.connect();
        client.send("{\"auditlog\":{\"ack\":true}}\n");
        let greeting = client.reply().expect("a greeting");
        assert_eq!(greeting["auditlog"]["protocol"], 1);
        client
    }

    /// The lines of the active segment as they are now; a line that is being written is not one.
    pub fn lines(&self) -> Vec<Value> {
        // For a moment of a rotation there is none.
        let text =
            eventually("there is an active segment", || fs::read_to_string(self.segment()).ok());
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        let parse = |line| serde_json::from_str(line).expect("a line is JSON");
        text[..whole].lines().map(parse).collect()
    }

    /// The events that clients sent, with all that stands around them.
    pub fn events(&self) -> Vec<Value> {
        let own = |event_type: &Value| {
            event_type.as_str().is_some_and(|text| text.starts_with("auditlogd."))
        };
        let mut lines = self.lines();
        lines.retain(|line| line["event"].is_object() && !own(&line["event"]["event_type"]));
        lines
    }

    /// The daemon's own records of a type, without its prefix.
    pub fn records(&self, event_type: &str) -> Vec<Value> {
        let wanted = format!("auditlogd.{event_type}");
        let mut lines = self.lines();
        lines.retain(|line| line["event"]["event_type"] == wanted.as_str());
        lines
    }

    /// Stops it as a service manager does and waits for its end; the directory stays.
    pub fn stop(self) -> Stopped {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Waits for its end; the directory stays.
    pub fn wait(mut self) -> Stopped {
        let status = self.child.wait().expect("waits");
        Stopped { daemon: self, status }
    }

    /// Kills it and gives back its directory.
    pub fn kill(mut self) -> TempDir {
        self.end();
        let empty = tempfile::tempdir().expect("temporary directory");
        std::mem::replace(&mut self.root, empty)
    }

    /// Kills it; what it wrote can be read.
    pub fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("auditlogd said:\n{}", self.log());
        }
    }
}

/// A daemon that has ended; what it wrote can be read.
pub struct Stopped {
    pub daemon: Daemon,
    pub status: ExitStatus,
}

/// Runs the daemon where it is expected to refuse to start; returns its status and what it said.
pub fn refused(root: &Path, config: &str) -> (ExitStatus, String) {
    refused_with_env(root, config, &[])
}

/// The same with more in its environment.
pub fn refused_with_env(root: &Path, config: &str, env: &[(&str, &OsStr)]) -> (ExitStatus, String) {
    write_config(root, config);
    let mut command = command(root);
    let command = command.envs(env.iter().copied()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("auditlogd runs");
    let start = Instant::now();
    while child.try_wait().expect("waits").is_none() {
        if start.elapsed() > LONG {
            let _ = child.kill();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("waits");
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Runs `auditlog` for a directory.
pub fn tool(root: &Path, args: &[&str]) -> Output {
    let mut command = program(env!("CARGO_BIN_EXE_auditlog"), root);
    command.args(args).env("TZ", "UTC").output().expect("auditlog runs")
}

/// The exit code of `auditlog verify` and what it says.
pub fn verify(root: &Path) -> (Option<i32>, String) {
    let output = tool(root, &["verify"]);
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `auditlogd --root DIR`, not yet started.
pub fn command(root: &Path) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_auditlogd"), root);
    command.stdout(Stdio::null());
    command
}

fn program(path: &str, root: &Path) -> Command {
    for_root(clean(path), root)
}

fn for_root(mut command: Command, root: &Path) -> Command {
    command.arg("--root").arg(root).stdin(Stdio::null());
    command
}

/// A program without what the test's own environment says to the daemon.
fn clean(path: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(path);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["AUDITLOGD_", "LISTEN_", "WATCHDOG_"].iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.env_remove("NOTIFY_SOCKET").env_remove("FDSTORE").env_remove("JOURNAL_STREAM");
    command
}

/// Writes its configuration file.
pub fn write_config(root: &Path, config: &str) {
    let dir = root.join("etc/auditlogd");
    fs::create_dir_all(&dir).expect("creates the configuration's directory");
    fs::write(dir.join("auditlogd.toml"), config).expect("writes the configuration");
}

/// Where a daemon below `root` says what it says about itself.
pub fn log(root: &Path) -> File {
    File::options().create(true).append(true).open(root.join("stderr")).expect("opens the log")
}

/// A connection to the daemon.
pub struct Client {
    pub stream: UnixStream,
    replies: BufReader<UnixStream>,
}

impl Client {
    pub fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(LONG)).expect("sets a timeout");
        stream.set_write_timeout(Some(LONG)).expect("sets a timeout");
        let replies = BufReader::new(stream.try_clone().expect("clones"));
        Self { stream, replies }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the daemon takes what is sent");
    }

    /// The next reply; none once the daemon has closed.
    pub fn reply(&mut self) -> Option<Value> {
        let mut line = String::new();
        match self.replies.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).expect("a reply is JSON")),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(e) => panic!("no reply: {e}"),
        }
    }

    /// Reads replies until the ack of this line; returns all of them.
    pub fn replies_to(&mut self, line: u64) -> Vec<Value> {
        let mut replies = Vec::new();
        loop {
            let reply = self.reply().expect("the daemon replies");
            let last = reply["ack"]["line"] == line;
            replies.push(reply);
            if last {
                return replies;
            }
        }
    }

    /// Sends one line and waits until it is on disk.
    pub fn store(&mut self, line: &str, number: u64) -> Value {
        self.send(format!("{line}\n"));
        self.replies_to(number).pop().expect("an ack")
    }

    /// Says that nothing more comes and reads the rest of the replies, until the daemon closes.
    pub fn finish(&mut self) -> Vec<Value> {
        self.stream.shutdown(Shutdown::Write).expect("shuts down");
        std::iter::from_fn(|| self.reply()).collect()
    }
}
