//! What no daemon handed over: a damaged memory, another one, none, and descriptors that nobody knows.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use rustix::fs::{MemfdFlags, memfd_create};

use crate::common::eventually;
use crate::common::manager::{End, Manager};
use crate::{event, expect, left_by};

/// Ends the daemon, does something to what it left, starts the next one; the connection must live on, and
/// the daemon must say that something is wrong.
fn go_on_after(how: End, harm: impl FnOnce(&Manager)) -> Manager {
    let (mut manager, mut client) = left_by(how);
    client.send(event("between"));
    harm(&manager);
    let said = manager.log().len();
    manager.start();
    client.send(event("after"));
    eventually("the last event is stored", || {
        crate::ids(&manager).contains(&"after".into()).then_some(())
    });
    let said = manager.log()[said..].to_owned();
    assert!(said.contains("WARN"), "it says what is wrong: {said}");
    client.finish();
    manager.await_kept(0);
    manager
}

/// The same after a restart, where nothing is in doubt: no event is stored twice.
fn lose_nothing_after(harm: impl FnOnce(&Manager)) {
    let manager = go_on_after(End::Restart, harm);
    expect(&manager, &["before", "between", "after"]);
}

fn memfd(bytes: &[u8]) -> OwnedFd {
    let fd = memfd_create("foreign", MemfdFlags::CLOEXEC).expect("creates");
    File::from(fd.try_clone().expect("duplicates")).write_all_at(bytes, 0).expect("writes");
    fd
}

fn replace_state(manager: &Manager, with: impl Into<OwnedFd>) {
    manager.lose("state");
    manager.slip_in("state", with);
}

#[test]
fn without_its_memory() {
    lose_nothing_after(|manager| manager.lose("state"));
}

#[test]
fn with_an_empty_memory() {
    lose_nothing_after(|manager| replace_state(manager, memfd(b"")));
}

#[test]
fn with_a_memory_of_zeroes() {
    lose_nothing_after(|manager| {
        let file = manager.state_file();
        let len = file.metadata().expect("fstat").len();
        replace_state(manager, memfd(&vec![0; len as usize]));
    });
}

#[test]
fn with_a_memory_that_was_cut() {
    lose_nothing_after(|manager| {
        let file = manager.state_file();
        let len = file.metadata().expect("fstat").len();
        let mut bytes = vec![0; len as usize / 2];
        file.read_exact_at(&mut bytes, 0).expect("reads");
        replace_state(manager, memfd(&bytes));
    });
}

#[test]
fn with_a_memory_of_another_kind() {
    lose_nothing_after(|manager| {
        replace_state(manager, File::open("/dev/null").expect("opens"));
    });
    lose_nothing_after(|manager| {
        replace_state(manager, UnixStream::pair().expect("a pair").0);
    });
}

/// Any bit may be wrong: it starts, and what comes then is stored.
#[test]
fn with_a_memory_of_noise() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rng = fastrand::Rng::with_seed(seed);
    for how in [End::Restart, End::Kill, End::Kill] {
        go_on_after(how, |manager| {
            let file = manager.state_file();
            let len = file.metadata().expect("fstat").len() as usize;
            let noise: Vec<u8> = (0..len.min(1 << 20)).map(|_| rng.u8(..)).collect();
            file.write_all_at(&noise, 0).expect("writes");
        });
    }
}

/// More is said to be stored than the client has sent: what it has sent is not taken for that.
#[test]
fn with_a_position_that_cannot_be() {
    for position in [1u64 << 20, 1 << 40] {
        lose_nothing_after(|manager| {
            // The mark of the first connection, in its page.
            let mark = (129 << 20) + 128;
            manager.state_file().write_all_at(&position.to_le_bytes(), mark).expect("writes");
        });
    }
}

#[test]
fn a_connection_without_its_page_and_a_page_without_its_connection() {
    let mut manager = Manager::start_new();
    let mut lost = manager.greeted();
    manager.await_kept(1);
    let name = manager.stored().swap_remove(0);
    lost.send([&event("one"), "{\"half\":"].concat());
    lost.replies_to(1);
    manager.end(End::Kill);
    manager.lose(&name);
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    manager.slip_in("c77", theirs);
    manager.start();
    assert!(lost.reply().is_none(), "nobody holds it any more");
    std::io::Write::write_all(&mut &ours, event("two").as_bytes()).expect("writes");
    expect(&manager, &["one", "two"]);
    // Its place is taken by another one, which does not go on with half a line.
    let mut next = manager.greeted();
    next.send(event("three"));
    next.replies_to(1);
    expect(&manager, &["one", "two", "three"]);
    drop((ours, next));
    manager.await_kept(0);
}

#[test]
fn unknown_descriptors_are_closed() {
    let mut manager = Manager::start_new();
    let mut client = manager.greeted();
    manager.await_kept(1);
    manager.end(End::Restart);
    let names = ["stored", "unknown", "c", "c-1", "c99999999999999999999", "c007x", "C3", "State"];
    let mut ends = Vec::new();
    for name in names {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        ours.set_read_timeout(Some(crate::common::LONG)).expect("sets a timeout");
        manager.slip_in(name, theirs);
        ends.push(ours);
    }
    // And those of a known name that cannot be what the name says.
    manager.slip_in("c500", File::open("/dev/null").expect("opens"));
    manager.slip_in("c501", memfd(b"text"));
    manager.start();
    names.iter().for_each(|name| manager.lose(name));
    for (name, end) in names.iter().zip(&mut ends) {
        let read = end.read(&mut [0]);
        assert_eq!(read.ok(), Some(0), "{name} is closed by all");
    }
    client.send(event("one"));
    client.replies_to(1);
    expect(&manager, &["one"]);
}
