//! What the daemon takes when it has nothing to do.

use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::now;
use crate::common::eventually;
use crate::subject::Subject;
use crate::table::{Row, Table};
use crate::told::Generator;

/// Connections of the goal.
const CONNECTIONS: u64 = 4_096;
/// For how long nothing happens.
const IDLE: Duration = Duration::from_secs(5);

pub fn measure(table: &mut Table) {
    now("what it takes when it has nothing to do");
    // The daemon and the load generator inherit it.
    let most = getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(_, hard)| hard);
    let raised = setrlimit(Resource::RLIMIT_NOFILE, most, most).is_ok();
    let subject = Subject::start();
    let before = subject.process().sleeps();
    std::thread::sleep(IDLE);
    let woken = subject.process().sleeps() - before;
    let idle = mib(&subject);
    let mut rows = vec![
        Row::new("idle, without connections", idle, "MiB").at_most(10.0),
        Row::new("threads woken in 5 s of that", woken as f64, "times")
            .goal("none but the minute's timers", woken <= 2),
    ];
    if raised && most > CONNECTIONS + 256 {
        rows.push(Row::new("4,096 idle connections", held(&subject), "MiB").at_most(64.0));
    }
    table.section("Resident memory and wake-ups", rows);
}

/// With connections that send nothing.
fn held(subject: &Subject) -> f64 {
    let socket = subject.socket().to_string_lossy().into_owned();
    let generator = Generator::start(&["hold".into(), socket, CONNECTIONS.to_string()]);
    eventually("the connections are taken", || {
        let open = subject.process().open_files();
        (open as u64 >= CONNECTIONS).then_some(())
    });
    std::thread::sleep(Duration::from_secs(1));
    let mib = mib(subject);
    drop(generator);
    mib
}

fn mib(subject: &Subject) -> f64 {
    subject.process().memory()[0] as f64 / 1024.0
}
