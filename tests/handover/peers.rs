//! Who sent it: what the kernel said at the connect, also when nobody can be asked any more.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::common::eventually;
use crate::common::manager::{End, Manager};
use crate::{event, expect};

const SOCKET: &str = "HANDOVER_TEST_SOCKET";

/// Not a test of its own: the process that connects, hands the connection to `cat` and ends.
#[test]
fn process_that_connects_and_ends() {
    let Some(path) = std::env::var_os(SOCKET) else { return };
    let mut stream = UnixStream::connect(PathBuf::from(path)).expect("connects");
    // Once it is greeted the daemon knows who it is.
    stream.write_all(b"{\"auditlog\":{\"ack\":true}}\n").expect("writes");
    stream.read_exact(&mut [0]).expect("a greeting");
    let heir = Command::new("cat").stdout(std::os::fd::OwnedFd::from(stream)).spawn();
    std::mem::forget(heir.expect("cat runs"));
    std::process::exit(0);
}

fn connector(manager: &Manager) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args(["--exact", "peers::process_that_connects_and_ends"]);
    command.env(SOCKET, manager.socket()).stdin(Stdio::piped()).stdout(Stdio::null());
    command.spawn().expect("the test's own program runs")
}

#[test]
fn a_process_that_has_ended_is_still_named() {
    for how in End::BOTH {
        let mut manager = Manager::start_new();
        let mut connector = connector(&manager);
        let mut pipe = connector.stdin.take().expect("a pipe");
        assert!(connector.wait().expect("waits").success());
        pipe.write_all(event("before").as_bytes()).expect("writes");
        expect(&manager, &["before"]);
        manager.end(how);
        pipe.write_all(event("between").as_bytes()).expect("writes");
        manager.start();
        expect(&manager, &["before", "between"]);
        pipe.write_all(event("after").as_bytes()).expect("writes");
        drop(pipe);
        expect(&manager, &["before", "between", "after"]);
        let events = manager.events();
        let own = std::env::current_exe().expect("a path");
        assert_eq!(events[0]["peer"]["pid"], connector.id());
        assert_eq!(events[0]["peer"]["exe"], own.to_string_lossy().as_ref());
        assert!(events.iter().all(|line| line["peer"] == events[0]["peer"]), "{events:#?}");
        manager.await_kept(0);
    }
}

#[test]
fn many_connections_keep_each_its_own_process() {
    let mut manager = Manager::start_new();
    let mut connectors: Vec<_> = (0..5).map(|_| connector(&manager)).collect();
    let mut pipes: Vec<_> =
        connectors.iter_mut().map(|child| child.stdin.take().expect("a pipe")).collect();
    for connector in &mut connectors {
        assert!(connector.wait().expect("waits").success());
    }
    manager.await_kept(5);
    for how in [End::Kill, End::Restart] {
        manager.again(how);
        for (connector, pipe) in connectors.iter().zip(&mut pipes) {
            let event = format!("{{\"from\":{},\"after\":\"{how:?}\"}}\n", connector.id());
            pipe.write_all(event.as_bytes()).expect("writes");
        }
    }
    eventually("all are stored", || (manager.events().len() == 10).then_some(()));
    for line in manager.events() {
        assert_eq!(line["event"]["from"], line["peer"]["pid"], "{line}");
    }
}
