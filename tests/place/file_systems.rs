//! The daemon on real file systems: what it says in its log, in its status and in the ledger.

use serde_json::Value;
use tempfile::TempDir;

use super::common::{Daemon, eventually};
use super::{MOUNTING, can, recorded};

const KEYS_LINGER: &str = "keys_linger";

/// $0 is a name in the daemon's root; `$log` and `$state` are its directories. Then comes what the test mounts there.
const BEFORE: &str = r#"
root=$(dirname "$0"); log=$root/var/log/auditlogd; state=$root/var/lib/auditlogd
mkdir -p "$log" "$state"
"#;
/// The daemon, in the same process.
const AFTER: &str = "\nexec \"$@\"\n";

/// Mounts a file system that is made in a file of the test's.
fn on_loop(make: &str, options: &str) -> String {
    format!(
        "[ -e $root/disk ] || {{ truncate --size 400M $root/disk; {make} $root/disk >&2; }}; mount -o loop,{options} $root/disk $state; mkdir -p $state/log; mount --bind $state/log $log"
    )
}

fn start(mount: &str) -> Daemon {
    start_in(tempfile::tempdir().expect("temporary directory"), mount)
}

fn start_in(root: TempDir, mount: &str) -> Daemon {
    let script = [BEFORE, mount, AFTER].concat();
    let name = root.path().join("sh").display().to_string();
    let mut wrapper = MOUNTING.to_vec();
    wrapper.extend([&*script, &*name]);
    Daemon::start_under(&wrapper, root, "")
}

/// What the status says is wrong with these directories.
fn status(daemon: &Daemon) -> Vec<String> {
    let output = daemon.tool(&["status", "--format", "json"]);
    let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let problems = status["daemon"]["problems"].as_array().expect("a list").iter();
    let about = problems.filter_map(|problem| problem["about"].as_str());
    about.filter(|about| about.contains("_dir")).map(str::to_owned).collect()
}

/// What the ledger says, which only the daemon's namespace has.
fn records(daemon: &Daemon) -> Vec<Vec<(String, String)>> {
    let segment = format!("/proc/{}/root{}", daemon.pid(), daemon.segment().display());
    let lines = std::fs::read(segment).expect("a segment");
    let wanted = b"\"event_type\":\"auditlogd.storage_warning\"";
    let is_wanted = |line: &&[u8]| line.windows(wanted.len()).any(|window| window == wanted);
    let found: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').filter(is_wanted).collect();
    recorded(&found.join(&b'\n'))
}

/// Starts it there, and compares what all three say with `want`: weakness and directories.
fn says(mount: &str, want: &[(&str, &str)]) -> Daemon {
    let daemon = start(mount);
    let mut about: Vec<_> = want
        .iter()
        .map(|(weakness, dirs)| format!("{} {weakness}", dirs.replace(' ', "+")))
        .collect();
    about.sort();
    let mut said = status(&daemon);
    said.sort();
    assert_eq!(said, about, "{mount}");
    let want: Vec<_> = want.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let want = if want.is_empty() { vec![] } else { vec![want] };
    daemon.greeted().store("{}", 1);
    eventually("it is recorded", || (records(&daemon) == want).then_some(()));
    daemon
}

#[test]
fn memory_and_layers_are_told_and_a_disk_is_not() {
    if !can("mount -t tmpfs tmpfs /mnt", "mounting needs root") {
        return;
    }
    let memory = "mount -t tmpfs tmpfs $log";
    let daemon = says(memory, &[("ephemeral", "log_dir")]);
    assert!(daemon.log().contains("WARN"), "{}", daemon.log());
    assert!(daemon.log().contains("is in memory (tmpfs): all of it is gone"), "{}", daemon.log());
    let text = daemon.tool(&["status"]).stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("warning     log_dir (\""), "{text}");
    let check = daemon.tool(&["status", "--check"]);
    assert_eq!(check.status.code(), Some(1));

    says(
        "mount -t tmpfs tmpfs $log; mount -t tmpfs tmpfs $state",
        &[("ephemeral", "log_dir state_dir")],
    );
    let overlay = "mkdir $root/layers; mount -t tmpfs tmpfs $root/layers; mkdir $root/layers/up $root/layers/work; mount -t overlay overlay -o lowerdir=$state,upperdir=$root/layers/up,workdir=$root/layers/work $state";
    if can("grep -q overlay /proc/filesystems", "this kernel has no overlay") {
        says(overlay, &[("ephemeral", "state_dir")]);
    }
    // An ordinary disk, a directory of which is bound, as a service's sandbox does.
    if can(LOOP, NO_LOOP) {
        says(&on_loop("mkfs.ext4 -q", "rw"), &[]);
    }
}

/// Whether a file can be mounted.
const LOOP: &str = "losetup --find >/dev/null && command -v mkfs.ext4 >/dev/null";
const NO_LOOP: &str = "it needs root, loop devices and e2fsprogs";

#[test]
fn where_keys_may_linger_is_told() {
    if !can(LOOP, NO_LOOP) {
        return;
    }
    let linger = [(KEYS_LINGER, "state_dir")];
    says(&on_loop("mkfs.ext4 -q", "data=journal"), &linger);
    says(&on_loop("mkfs.ext4 -q", "barrier=0"), &[("sync_unsure", "log_dir state_dir")]);
    if can(
        "command -v mkfs.btrfs >/dev/null && grep -q btrfs /proc/filesystems",
        "there is no btrfs",
    ) {
        says(&on_loop("mkfs.btrfs -q", "rw"), &linger);
        // As the warning advises.
        says(&(on_loop("mkfs.btrfs -q", "rw") + "; chattr +C $state"), &[]);
    }
    if can("command -v mkfs.xfs >/dev/null && grep -q xfs /proc/filesystems", "there is no xfs") {
        says(&on_loop("mkfs.xfs -q", "rw"), &[]);
    }
}

#[test]
fn it_is_told_again_at_each_start() {
    if !can(LOOP, NO_LOOP) {
        return;
    }
    let journal = on_loop("mkfs.ext4 -q", "data=journal");
    let first = start(&journal);
    first.greeted().store("{}", 1);
    let stopped = first.stop();
    assert_eq!(stopped.status.code(), Some(0), "{}", stopped.daemon.log());
    let second = start_in(stopped.daemon.kill(), &journal);
    second.greeted().store("{}", 1);
    eventually("both starts have told it", || (records(&second).len() == 2).then_some(()));
}
