//! A daemon whose log and state are on a small file system of their own.

use std::fs;
use std::io::Read;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::common::manager::{Manager, Unit};
use crate::common::{Daemon, eventually};

/// $0 is a name in the daemon's root, the other arguments are the daemon. $var is all that it keeps. The size is such
/// that no rung of the ladder is cut: a fifth of it is the default of `low_bytes`.
const SCRIPT: &str = r#"
var=$(dirname "$0")/var; mkdir -p "$var"
mount -t tmpfs -o size=320m tmpfs "$var"
exec "$@"
"#;

const UNSHARE: [&str; 6] =
    ["unshare", "--mount", "--propagation=private", "/bin/sh", "-ec", SCRIPT];

/// The daemon, or the service manager that runs one after the other.
pub struct Small<D = Box<Daemon>> {
    pub daemon: D,
    /// Keeps the file system while no daemon runs.
    _holder: Option<Holder>,
}

/// A process with the file system mounted; ends with this.
struct Holder(Child);

/// Whether something can be mounted; if not, that is said.
fn can_mount() -> bool {
    let can = Command::new("unshare").args(["--mount", "true"]).output().expect("unshare runs");
    if !can.status.success() {
        eprintln!("skipped: mounting needs root: {}", String::from_utf8_lossy(&can.stderr));
    }
    can.status.success()
}

impl Small {
    /// None where nothing can be mounted.
    pub fn start(config: &str) -> Option<Self> {
        can_mount().then(|| Self::start_in(tempfile::tempdir().expect("a directory"), config))
    }

    fn start_in(root: TempDir, config: &str) -> Self {
        let name = root.path().join("sh").display().to_string();
        let wrapper = [&UNSHARE[..], &[name.as_str()]].concat();
        let daemon = Box::new(Daemon::start_under(&wrapper, root, config));
        Self { daemon, _holder: None }
    }
}

impl Small<Manager> {
    /// The same with a service manager, which keeps connections.
    pub fn managed(config: &str) -> Option<Self> {
        can_mount().then(|| {
            let root = tempfile::tempdir().expect("a directory");
            let holder = Holder::new(&root);
            let wrapper = ["nsenter", "--mount", "--target", &holder.0.id().to_string()];
            let wrapper = wrapper.map(str::to_owned).to_vec();
            let unit = Unit { config: config.into(), wrapper, ..Unit::default() };
            Self { daemon: Manager::within(root, unit), _holder: Some(holder) }
        })
    }
}

impl Holder {
    fn new(root: &TempDir) -> Self {
        let mut command = Command::new(UNSHARE[0]);
        command.args(&UNSHARE[1..]).arg(root.path().join("sh")).args([
            "sh",
            "-c",
            "echo; exec cat",
        ]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("unshare runs");
        let said = child.stdout.as_mut().expect("piped").read(&mut [0]);
        assert_eq!(said.expect("it mounts"), 1);
        Self(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}

impl<D: Deref<Target = Daemon>> Small<D> {
    /// A path below `var`, as it is outside.
    pub fn path(&self, name: &str) -> PathBuf {
        let root = self.daemon.root().display().to_string();
        PathBuf::from(format!("/proc/{}/root{root}/var/{name}", self.daemon.pid()))
    }

    /// Leaves only so many bytes free for events, by a file of somebody else's. The daemon finds that out when it writes.
    pub fn leave(&self, bytes: u64) {
        let fill = self.path("somebody-elses");
        let disk = nix::sys::statvfs::statvfs(&self.path("")).expect("a file system");
        let free = disk.blocks_available() * disk.fragment_size();
        let mut options = fs::File::options();
        let file = options.create(true).append(true).open(&fill).expect("opened");
        let taken = file.metadata().expect("there").len();
        let take = (taken + free.saturating_sub(bytes)) as i64;
        // The daemon writes meanwhile.
        let allocated = (0..100)
            .any(|n| nix::fcntl::posix_fallocate(&file, 0, (take - (n << 14)).max(1)).is_ok());
        assert!(allocated, "{take} bytes could not be taken");
    }

    /// Nobody else takes anything.
    pub fn empty(&self) {
        fs::remove_file(self.path("somebody-elses")).expect("removed");
    }

    /// What status tells of the disk: `level`, `dir`, `instead` and others.
    pub fn space(&self, what: &str) -> String {
        let output = self.daemon.tool(&["status", "--format", "json"]);
        let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let told = status["daemon"]["space"][what].as_str();
        told.unwrap_or_else(|| panic!("no {what}: {status}")).to_owned()
    }

    /// The ladder's level.
    pub fn level(&self) -> String {
        self.space("level")
    }

    /// Writes until the daemon has found out that the ladder stands there.
    pub fn until(&self, level: &str) {
        let mut client = self.daemon.connect();
        eventually(level, || {
            client.send("{\"event_type\":\"probe\",\"priority\":\"alert\"}\n");
            (self.level() == level).then_some(())
        });
    }

    /// All lines of the log.
    pub fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("log/auditlogd/audit.jsonl")).expect("a segment");
        let whole = text.rfind('\n').map_or(0, |at| at + 1);
        text[..whole].lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// How often an event of this type is in the log.
    pub fn count(&self, event_type: &str) -> usize {
        self.lines().iter().filter(|line| line["event"]["event_type"] == event_type).count()
    }

    /// The data of the daemon's own records of a type.
    pub fn records(&self, event_type: &str) -> Vec<Value> {
        let wanted = format!("auditlogd.{event_type}");
        let lines = self.lines().into_iter();
        lines
            .filter(|line| line["event"]["event_type"] == wanted.as_str())
            .map(|mut line| line["event"]["data"].take())
            .collect()
    }

    /// Runs `auditlog` where the daemon's disk is.
    pub fn tool(&self, args: &[&str]) -> Output {
        let pid = self.daemon.pid().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--mount", env!("CARGO_BIN_EXE_auditlog"), "--root"]);
        command.arg(self.daemon.root()).args(args).output().expect("nsenter runs")
    }

    /// Fails unless the log verifies, and nothing was recovered: the daemon never ended.
    pub fn is_sound(&self) {
        self.daemon.settle();
        let verified = self.tool(&["verify"]);
        let said = String::from_utf8_lossy(&verified.stdout);
        assert_eq!(verified.status.code(), Some(0), "{said}");
        assert_eq!(self.count("auditlogd.recovered"), 0);
    }
}
