//! The system that the containers boot: Debian 12 with what the tests need beside the package, made once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

const SUITE: &str = "bookworm";
const MIRROR: &str = "http://deb.debian.org/debian";
/// auditd is the Linux Audit package, which auditlogd must get on with.
const PACKAGES: &str =
    "systemd,systemd-sysv,dbus,auditd,logrotate,sqlite3,python3-minimal,socat,rpm,procps,e2fsprogs";
/// Alice and bob write, reader will be in the group that may read.
const USERS: &str = r#"for user in alice bob reader; do chroot "$1" useradd "$user"; done"#;

/// The image's directory; made if there is none of this recipe yet.
pub fn directory() -> PathBuf {
    let recipe = Sha256::digest([SUITE, MIRROR, PACKAGES, USERS].join("\n"));
    let name = format!("{SUITE}-{}", &HEXLOWER.encode(&recipe)[..12]);
    let image = cache().join(name);
    if !image.exists() {
        make(&image);
    }
    image
}

/// Outside of the target directory: the image is worth keeping over `cargo clean` and over checkouts.
fn cache() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    base.expect("XDG_CACHE_HOME or HOME is set").join("auditlogd-tests")
}

fn make(image: &Path) {
    println!("making the Debian 12 that the containers boot, once, in {}", image.display());
    let building = image.with_extension("building");
    // Of a run that was interrupted.
    let _ = fs::remove_dir_all(&building);
    fs::create_dir_all(cache()).expect("creates the cache directory");
    let output = Command::new("mmdebstrap")
        .args(["--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io"])
        .arg(format!("--include={PACKAGES}"))
        .arg(format!("--customize-hook={USERS}"))
        .arg(SUITE)
        .arg(&building)
        .arg(MIRROR)
        .output()
        .expect("mmdebstrap runs");
    assert!(output.status.success(), "mmdebstrap: {}", String::from_utf8_lossy(&output.stderr));
    fs::rename(&building, image).expect("renames the image");
}
