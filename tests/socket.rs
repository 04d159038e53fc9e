//! The socket as a file: whom the daemon makes room for, and whom not.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use common::{Daemon, refused};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("exists").permissions().mode() & 0o7777
}

fn root_with_socket_directory() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("temporary directory");
    fs::create_dir_all(root.path().join("run")).expect("creates");
    root
}

#[test]
fn anybody_may_write_to_it_by_default() {
    assert_eq!(mode(&Daemon::start().socket()), 0o666);
}

#[test]
fn its_mode_is_configurable() {
    assert_eq!(mode(&Daemon::start_with("socket_mode = \"0600\"\n").socket()), 0o600);
}

#[test]
fn a_stale_one_is_replaced() {
    let root = root_with_socket_directory();
    drop(UnixListener::bind(root.path().join("run/auditd.sock")).expect("binds"));
    Daemon::start_in(root, "").greeted().store("{}", 1);
}

#[test]
fn the_one_of_a_killed_daemon_is_replaced() {
    let root = Daemon::start().kill();
    assert!(root.path().join("run/auditd.sock").exists());
    Daemon::start_in(root, "").greeted().store("{}", 1);
}

#[test]
fn one_in_use_is_refused_with_its_path_and_left_alone() {
    let root = root_with_socket_directory();
    let path = root.path().join("run/auditd.sock");
    let _other = UnixListener::bind(&path).expect("binds");
    let (status, said) = refused(root.path(), "");
    assert!(!status.success());
    assert!(said.contains("in use") && said.contains("run/auditd.sock"), "{said}");
    UnixStream::connect(&path).expect("the other one still listens");
}

#[test]
fn a_file_in_its_place_is_refused_and_left_alone() {
    let root = root_with_socket_directory();
    let path = root.path().join("run/auditd.sock");
    fs::write(&path, "precious").expect("writes");
    let (status, said) = refused(root.path(), "");
    assert!(!status.success());
    assert!(said.contains("not a socket"), "{said}");
    assert_eq!(fs::read_to_string(&path).expect("reads"), "precious");
}

#[test]
fn a_path_longer_than_the_kernel_takes_is_refused_with_the_limit() {
    let root = tempfile::tempdir().expect("temporary directory");
    let config = format!("socket = \"/tmp/{}\"\n", "x".repeat(120));
    let (status, said) = refused(root.path(), &config);
    assert!(!status.success());
    assert!(said.contains("107"), "{said}");
}
