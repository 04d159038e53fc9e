//! The daemon as containers run it: process 1 over the layers of an image, as a user that is not root, told by its
//! environment alone.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;

use super::can;
use super::common::{Client, eventually, only_child};

/// The image's user.
const USER: u32 = 65_521;

/// $1 is the test's directory, $2 the program, $3 how the image's files are mounted. This machine's own files are the image;
/// what is written to them goes to a layer that ends with the container.
const RUN: &str = r#"
mount -t tmpfs tmpfs "$1/layers"
mkdir "$1/layers/up" "$1/layers/work" "$1/layers/root"
root=$1/layers/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/layers/up,workdir=$1/layers/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mkdir -p "$root/srv/log" "$root/srv/state" "$root/run/audit" "$root/run/auditlogd"
chown 65521:65521 "$root/srv/log" "$root/srv/state"
for volume in "$1"/volumes/*/*; do
    mount --bind "$volume" "$root/${volume#"$1"/volumes/}"
done
touch "$root/auditlogd"
mount --bind "$2" "$root/auditlogd"
mount -o "remount,bind,$3" "$root"
exec chroot --userspec=65521:65521 --groups= "$root" /usr/bin/env -i container=oci AUDITLOGD_ROOT=/ \
    AUDITLOGD_LOG_DIR=/srv/log AUDITLOGD_STATE_DIR=/srv/state AUDITLOGD_RUN_DIR=/run/auditlogd \
    AUDITLOGD_SOCKET=/run/audit/auditd.sock /auditlogd
"#;

/// A container; what is in its volumes outlives it.
struct Container {
    dir: TempDir,
    child: Child,
}

impl Container {
    /// Runs it with these volumes, until it takes events.
    fn start(dir: TempDir, volumes: &[&str], mode: &str) -> Self {
        let mut container = Self::begin(dir, volumes, mode);
        eventually("the daemon takes connections", || {
            let ended = container.child.try_wait().expect("waits");
            assert!(ended.is_none(), "it ended: {}", container.log());
            UnixStream::connect(container.socket()).ok()
        });
        container.client();
        container
    }

    fn begin(dir: TempDir, volumes: &[&str], mode: &str) -> Self {
        fs::create_dir_all(dir.path().join("layers")).expect("creates");
        for volume in volumes {
            let volume = dir.path().join("volumes").join(volume);
            fs::create_dir_all(&volume).expect("creates");
            chown(&volume, Some(USER), Some(USER)).expect("gives it to the image's user");
        }
        let log = fs::File::options().create(true).append(true).open(dir.path().join("stderr"));
        let mut command = Command::new("unshare");
        command
            .args(["--pid", "--fork", "--mount", "--propagation=private"])
            .args(["/bin/sh", "-euc", RUN, "sh"])
            .args([dir.path(), Path::new(env!("CARGO_BIN_EXE_auditlogd"))])
            .arg(mode)
            .stdin(Stdio::null())
            .stderr(log.expect("opens the log"));
        let child = command.spawn().expect("unshare runs");
        Self { dir, child }
    }

    fn volume(&self, name: &str) -> PathBuf {
        self.dir.path().join("volumes").join(name)
    }

    fn socket(&self) -> PathBuf {
        self.volume("run/audit/auditd.sock")
    }

    /// What the daemon has said.
    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).expect("a log")
    }

    fn client(&self) -> Client {
        let mut client = Client::new(UnixStream::connect(self.socket()).expect("connects"));
        client.send("{\"auditlog\":{\"ack\":true}}\n");
        client.reply().expect("a greeting");
        client
    }

    /// `auditlog`, beside the container.
    fn tool(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auditlog"));
        command
            .env_clear()
            .env("AUDITLOGD_ROOT", self.dir.path())
            .env("AUDITLOGD_LOG_DIR", self.volume("srv/log"))
            .env("AUDITLOGD_STATE_DIR", self.volume("srv/state"))
            .env("AUDITLOGD_RUN_DIR", self.volume("run/auditlogd"))
            .env("AUDITLOGD_SOCKET", self.socket());
        command.args(args).output().expect("auditlog runs")
    }

    /// What is said to be wrong with the directories.
    fn warned(&self) -> Vec<String> {
        let output = self.tool(&["status", "--format", "json"]);
        let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let problems = status["daemon"]["problems"].as_array().expect("a list").iter();
        let what = problems.filter_map(|problem| problem["what"].as_str());
        what.filter(|what| what.contains("_dir")).map(str::to_owned).collect()
    }

    /// As `docker stop` does.
    fn stop(self) -> (ExitStatus, TempDir) {
        self.signal(Signal::SIGTERM)
    }

    /// As `docker kill` does. All of it has ended when its process 1 has.
    fn kill(self) -> TempDir {
        self.signal(Signal::SIGKILL).1
    }

    fn signal(mut self, signal: Signal) -> (ExitStatus, TempDir) {
        let init = only_child(self.child.id()).expect("process 1");
        kill(Pid::from_raw(init as i32), signal).expect("signals");
        let status = self.child.wait().expect("waits");
        let other = tempfile::tempdir().expect("temporary directory");
        (status, std::mem::replace(&mut self.dir, other))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Process 1 has another user than `unshare` gave it, and so does not end with that one.
        if let Some(init) = only_child(self.child.id()) {
            let _it_may_have_ended = kill(Pid::from_raw(init as i32), Signal::SIGKILL);
        }
        let _it_may_have_ended = self.child.kill();
        let _it_was_reaped = self.child.wait();
        if std::thread::panicking() {
            eprintln!("auditlogd said:\n{}", self.log());
        }
    }
}

const LOG_AND_STATE: [&str; 4] = ["srv/log", "srv/state", "run/audit", "run/auditlogd"];

/// Whether there is a kernel and a user for it.
fn may_run() -> bool {
    let overlay = "mount -t tmpfs tmpfs /mnt; mkdir /mnt/u /mnt/w /mnt/m; mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/m";
    can(overlay, "a container needs root and overlay")
}

fn directory() -> TempDir {
    let dir = tempfile::tempdir().expect("temporary directory");
    let passable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(dir.path(), passable).expect("sets the mode");
    dir
}

#[test]
fn what_is_on_volumes_outlives_a_stop_and_a_kill_of_the_container() {
    if !may_run() {
        return;
    }
    let container = Container::start(directory(), &LOG_AND_STATE, "ro");
    assert_eq!(container.warned(), [""; 0], "{}", container.log());
    container.client().store(r#"{"event_type":"first"}"#, 1);
    let (status, dir) = container.stop();
    assert_eq!(status.code(), Some(0));

    let container = Container::start(dir, &LOG_AND_STATE, "ro");
    assert_eq!(container.tool(&["verify"]).status.code(), Some(0));
    container.client().store(r#"{"event_type":"second"}"#, 1);
    let dir = container.kill();

    let container = Container::start(dir, &LOG_AND_STATE, "ro");
    container.client().store(r#"{"event_type":"third"}"#, 1);
    let log = fs::read_to_string(container.volume("srv/log/audit.jsonl")).expect("a segment");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let lines: Vec<Value> = lines.collect();
    let of = |event_type: &str| {
        let found = lines.iter().filter(|line| line["event"]["event_type"] == event_type);
        found.collect::<Vec<_>>()
    };
    for event_type in ["first", "second", "third", "auditlogd.recovered"] {
        assert_eq!(of(event_type).len(), 1, "{event_type}");
    }
    assert_eq!(of("auditlogd.started").len(), 3);
    assert_eq!(of("auditlogd.storage_warning").len(), 0);
    // The test is in another pid namespace: who it is, the kernel tells, but not which process.
    let peer = &of("third")[0]["peer"];
    let own = nix::unistd::geteuid().as_raw();
    assert_eq!((&peer["pid"], &peer["uid"]), (&0.into(), &own.into()), "{peer}");
    assert!(peer["exe"].is_null() && peer["unit"].is_null(), "{peer}");
}

#[test]
fn a_container_without_volumes_says_what_becomes_of_its_log() {
    if !may_run() {
        return;
    }
    let container = Container::start(directory(), &["run/audit", "run/auditlogd"], "rw");
    let want = r#"log_dir ("/srv/log") and state_dir ("/srv/state") are in the container's own files (overlay), not on a volume: all of it is gone when the container is removed"#;
    assert_eq!(container.warned(), [want]);
    assert!(container.log().contains(want), "{}", container.log());
    let keys = ["srv/state", "run/audit", "run/auditlogd"];
    let container = Container::start(directory(), &keys, "rw");
    assert!(container.warned()[0].starts_with(r#"log_dir ("/srv/log") is in the container's own"#));
}

#[test]
fn files_that_cannot_be_written_are_named_at_the_start() {
    if !may_run() {
        return;
    }
    let mut container = Container::begin(directory(), &["run/audit", "run/auditlogd"], "ro");
    let status = container.child.wait().expect("waits");
    assert_eq!(status.code(), Some(1));
    assert!(
        container.log().contains(r#"the directory "/srv/log" cannot be written"#),
        "{}",
        container.log()
    );
}
