//! What purging the package deletes: its script, with a directory in place of the system's.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

const MARK: &str = "{\"log_id\":\"0123\"}";

/// A system with a log and keys, and the few programs that the script may use.
struct System(tempfile::TempDir);

impl System {
    fn new() -> Self {
        let system = Self(tempfile::tempdir().expect("a directory"));
        fs::create_dir(system.path("bin")).expect("creates");
        for program in ["find", "grep", "rm", "rmdir"] {
            symlink(Path::new("/usr/bin").join(program), system.path("bin").join(program))
                .expect("links");
        }
        for file in ["var/log/auditlogd/segments/1", "var/lib/auditlogd/keys/1"] {
            fs::create_dir_all(system.path(file).parent().expect("has one")).expect("creates");
            fs::write(system.path(file), "text").expect("writes");
        }
        system
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn mark(&self) -> PathBuf {
        self.path("var/lib/auditlogd/decommissioned")
    }

    /// What the script says.
    fn purge(&self) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/deb/postrm");
        let output = Command::new("/usr/bin/timeout")
            .args(["60", "/bin/sh"])
            .arg(script)
            .arg("purge")
            .env_clear()
            .env("PATH", self.path("bin"))
            .env("DPKG_ROOT", self.0.path())
            .output()
            .expect("runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{output:?}");
        said
    }

    fn keeps_everything(&self) {
        let said = self.purge();
        assert!(said.contains("kept the log"), "{said}");
        assert!(self.path("var/log/auditlogd/segments/1").exists(), "{said}");
        assert!(self.path("var/lib/auditlogd/keys/1").exists(), "{said}");
    }
}

#[test]
fn a_decommissioned_log_is_deleted_with_its_keys() {
    let system = System::new();
    fs::write(system.mark(), MARK).expect("writes");
    assert!(system.purge().contains("deleted the decommissioned log"));
    assert!(
        !system.path("var/log/auditlogd").exists() && !system.path("var/lib/auditlogd").exists()
    );
    assert_eq!(system.purge(), "", "nothing is left to speak of");
}

#[test]
fn any_other_log_is_kept() {
    System::new().keeps_everything();
    let system = System::new();
    fs::write(system.mark(), "").expect("writes");
    system.keeps_everything();
}

/// The state directory is the daemon's to write, and the script runs as root.
#[test]
fn a_mark_that_is_no_file_is_none() {
    let system = System::new();
    mkfifo(&system.mark(), Mode::S_IRWXU).expect("makes");
    system.keeps_everything();

    let system = System::new();
    fs::write(system.path("elsewhere"), MARK).expect("writes");
    symlink(system.path("elsewhere"), system.mark()).expect("links");
    system.keeps_everything();
}

#[test]
fn what_is_behind_a_link_is_not_said_to_be_deleted() {
    for directory in ["var/log/auditlogd", "var/lib/auditlogd"] {
        let system = System::new();
        fs::write(system.mark(), MARK).expect("writes");
        fs::rename(system.path(directory), system.path("elsewhere")).expect("moves");
        symlink(system.path("elsewhere"), system.path(directory)).expect("links");
        system.keeps_everything();
        assert!(system.mark().exists());
    }
}
