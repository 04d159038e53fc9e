//! A container with a systemd of its own.
//!
//! It runs over a copy-on-write layer of the image, so a test may do with it what it likes, and a reboot finds
//! what was written before. Its processes and mounts are in namespaces that end with it, and it ends with the
//! test, however that ends: nothing is left but a temporary directory. The clock is the host's: no test sets it.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than anything takes, also on a slow machine that does other things besides.
pub const LONG: Duration = Duration::from_secs(90);

/// Between two looks at something that is waited for.
const PAUSE: Duration = Duration::from_millis(20);

/// Where the program that runs the tests is inside.
pub const TESTS: &str = "/usr/local/bin/systemd-tests";

/// $1 is the image, $2 the container's directory, $3 the program that runs the tests, $4 the size of the log's
/// own file system, if it has one.
const BOOT: &str = r#"
set -e
mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root"
log=
if [ -n "$4" ]; then
    mkdir -p "$2/log"
    [ -e "$2/log.img" ] || { truncate --size "$4" "$2/log.img"; mkfs.ext4 -q "$2/log.img"; }
    mount -o loop "$2/log.img" "$2/log"
    log=--bind=$2/log:/var/log/auditlogd
fi
# Without these calls there is no landlock inside.
exec systemd-nspawn --system-call-filter='landlock_create_ruleset landlock_add_rule landlock_restrict_self' --quiet --register=no --keep-unit --private-network --console=pipe --hostname=testhost \
    --directory="$2/root" --bind-ro="$3:/usr/local/bin/systemd-tests" ${log:+"$log"} --boot
"#;

/// A command's end, in text.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A booted container; gone when it is dropped.
pub struct Container {
    image: PathBuf,
    dir: TempDir,
    log_size: String,
    nspawn: Child,
    /// The process that is number 1 inside.
    init: u32,
}

impl Container {
    /// Boots one and waits until that is done.
    pub fn boot(image: &Path) -> Self {
        Self::boot_with_log_of(image, "")
    }

    /// The same with /var/log/auditlogd on a file system of its own, of a size like "16M".
    pub fn boot_with_log_of(image: &Path, log_size: &str) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("temporary directory");
        for name in ["upper", "work", "root"] {
            fs::create_dir(dir.path().join(name)).expect("creates");
        }
        // Others have to reach their own system's root.
        fs::set_permissions(dir.path().join("upper"), PermissionsExt::from_mode(0o755))
            .expect("sets the mode");
        let nspawn = nspawn(image, dir.path(), log_size);
        let (image, log_size) = (image.to_owned(), log_size.to_owned());
        let mut container = Self { image, dir, log_size, nspawn, init: 0 };
        container.wait_until_up();
        container
    }

    /// Shuts the system inside down, and boots it again as it was left.
    pub fn reboot(&mut self) {
        self.run("systemctl --no-block reboot");
        wait("the container shuts down", LONG, || self.nspawn.try_wait().expect("waits"));
        self.nspawn = nspawn(&self.image, self.dir.path(), &self.log_size);
        self.wait_until_up();
    }

    fn wait_until_up(&mut self) {
        self.init = wait("the container has an init", LONG, || {
            if let Some(status) = self.nspawn.try_wait().expect("waits") {
                panic!("systemd-nspawn ended with {status}: {}", self.console());
            }
            init_of(self.nspawn.id())
        });
        wait("the container is up", LONG, || {
            // "degraded": the audit subsystem of the kernel is not for containers, so auditd cannot start.
            let state = self.try_run("systemctl is-system-running").stdout;
            matches!(state.trim(), "running" | "degraded").then_some(())
        });
    }

    /// Runs a shell command as root inside.
    pub fn try_run(&self, command: &str) -> Ended {
        self.try_run_as("root", command)
    }

    /// The same as another user, with the groups of that user.
    pub fn try_run_as(&self, user: &str, command: &str) -> Ended {
        let words = ["runuser", "-u", user, "--", "sh", "-c", command];
        Ended::from(self.program(LONG, &words).output().expect("nsenter runs"))
    }

    /// Runs a shell command as root inside, which must succeed; what it printed.
    pub fn run(&self, command: &str) -> String {
        self.run_as("root", command)
    }

    /// The same as another user.
    pub fn run_as(&self, user: &str, command: &str) -> String {
        let ended = self.try_run_as(user, command);
        assert_eq!(ended.code, Some(0), "{user}: {command}\n{}{}", ended.stdout, ended.stderr);
        ended.stdout
    }

    /// A program inside, run as root, for whoever wants to talk to it; ended when it has taken `limit`.
    pub fn program(&self, limit: Duration, program: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        let (limit, init) = (limit.as_secs().to_string(), self.init.to_string());
        command.args(["--kill-after=5", &limit, "nsenter", "--target", &init, "--all", "--"]);
        command.args(program).env_clear().stdin(Stdio::null());
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LANG", "C.UTF-8");
        // Whoever is not root would mean a log of his own.
        command.env("AUDITLOGD_ROOT", "/");
        command
    }

    /// A program that sees the files inside, but is a process of the host and outlives the container.
    pub fn mounts(&self, program: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init.to_string(), "--mount", "--"]).args(program);
        command
    }

    /// The path from outside of a file inside.
    pub fn path(&self, inside: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{inside}", self.init))
    }

    /// Writes a file inside, with its directories.
    pub fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().expect("a directory")).expect("creates");
        fs::write(path, text).expect("writes");
    }

    /// Copies a file from outside to a directory inside; its path there.
    pub fn push(&self, file: &Path, directory: &str) -> String {
        let inside = format!("{directory}/{}", file.file_name().expect("a name").to_string_lossy());
        fs::copy(file, self.path(&inside)).expect("copies into the container");
        inside
    }

    /// The value of a property of a unit.
    pub fn property(&self, unit: &str, name: &str) -> String {
        self.run(&format!("systemctl show --value --property={name} {unit}")).trim().to_owned()
    }

    fn console(&self) -> String {
        fs::read_to_string(self.dir.path().join("console")).unwrap_or_default()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Each command here says that a session was opened and closed.
            let journal =
                self.try_run("journalctl --boot --no-pager | grep -v runuser | tail -n 150");
            eprintln!("the container's journal ends with:\n{}", journal.stdout);
        }
        // The system inside goes with it. It may have ended by itself.
        let _ = self.nspawn.kill();
        let _ = self.nspawn.wait();
        let begin = Instant::now();
        while self.path("/").exists() && begin.elapsed() < LONG {
            std::thread::sleep(PAUSE);
        }
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = output.status.code();
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

fn nspawn(image: &Path, dir: &Path, log_size: &str) -> Child {
    let console = File::create(dir.join("console")).expect("creates the console's file");
    let tests = std::env::current_exe().expect("the program's own path");
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "slave"])
        .args(["--pid", "--fork", "--kill-child", "--mount-proc"])
        .args(["sh", "-c", BOOT, "boot"])
        .args([image, dir, &tests, Path::new(log_size)])
        // Hosts that still have version 1 of control groups would pass that on.
        .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
        .stdin(Stdio::null())
        .stdout(console.try_clone().expect("clones"))
        .stderr(console)
        .spawn()
        .expect("setpriv runs")
}

/// The process that is number 1 of a process namespace within that of nspawn, which is a child of `unshare`.
fn init_of(unshare: u32) -> Option<u32> {
    let is_init = |pid: &u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let pids = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        pids.is_some_and(|pids| pids.split_whitespace().nth(2) == Some("1"))
    };
    children(unshare).into_iter().flat_map(children).find(is_init)
}

fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Waits for something that happens elsewhere; fails if it never does.
pub fn wait<T>(what: &str, limit: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(start.elapsed() < limit, "never: {what}");
        std::thread::sleep(PAUSE);
    }
}
