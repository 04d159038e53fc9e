//! The `sqlite3` program, run as a user who is only in the index's group.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::unistd::Group;

/// An id that belongs to nobody who matters.
const USER: u32 = 65534;
/// A group that every system has.
const GROUP: &str = "adm";

pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// The group that may read the index; none if the tests cannot change user.
pub fn group() -> Option<Group> {
    let find = || Group::from_name(GROUP).expect("groups can be read").expect("adm exists");
    is_root().then(find)
}

/// Tells when the program is missing, or the user cannot be changed.
pub fn sqlite3_is_there() -> bool {
    let there = Command::new("sqlite3").arg("--version").output().is_ok();
    if !there {
        println!("skipped: the sqlite3 program is not installed");
    } else if !is_root() {
        println!("not root: sqlite3 runs as the same user, so file permissions are not tested");
    }
    there
}

/// `program`, as the reading user where that is possible.
fn as_reader(program: &str) -> Command {
    let Some(group) = group() else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    let (user, group) = (format!("--reuid={USER}"), format!("--regid={}", group.gid));
    command.args([&user, &group, "--clear-groups", program]);
    command
}

/// Runs the statements and gives what they print.
pub fn sqlite3(db: &Path, sql: &str) -> Result<String, String> {
    let mut command = as_reader("sqlite3");
    command.args(["-readonly", "-bail", "-batch"]).arg(db);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("sqlite3 starts");
    // It takes nothing if it cannot open the database; its message says so.
    let _broken_pipe = child.stdin.take().expect("piped").write_all(sql.as_bytes());
    let output = child.wait_with_output().expect("ends");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() && output.stderr.is_empty() {
        return Ok(text(&output.stdout));
    }
    Err(text(&output.stderr))
}

/// A `sqlite3` that stays open.
pub struct Session {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Session {
    /// Started by the reading user.
    pub fn open(db: &Path) -> Self {
        let mut command = as_reader("stdbuf");
        command.args(["-oL", "sqlite3", "-readonly", "-bail", "-batch"]).arg(db);
        Self::start(command)
    }

    /// Started by the user the index belongs to, for writing.
    pub fn open_as_owner(db: &Path) -> Self {
        let mut command = Command::new("stdbuf");
        command.args(["-oL", "sqlite3", "-bail", "-batch"]).arg(db);
        Self::start(command)
    }

    /// Runs statements that print a number.
    pub fn number(&mut self, sql: &str) -> u64 {
        self.ask(sql).parse().expect("a number")
    }

    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("sqlite3 starts");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, stdin, stdout }
    }

    /// Runs statements that print one line.
    pub fn ask(&mut self, sql: &str) -> String {
        writeln!(self.stdin, "{sql}").expect("takes the statement");
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("answers");
        line.trim_end().to_owned()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
