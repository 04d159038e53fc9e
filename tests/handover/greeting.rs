//! A client may wait for the answer to its greeting before it sends anything: killed at any moment, the daemon
//! owes it that.

use rustix::net::{RecvFlags, recv};

use crate::common::Client;
use crate::common::manager::trace::{Ran, Trace};
use crate::common::manager::{End, Manager};

const GREETING: &str = "{\"auditlog\":{\"ack\":true}}\n";

fn is_answered(client: &Client) -> bool {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    recv(&client.stream, &mut [0; 1][..], flags).is_ok()
}

/// A daemon that is killed at a moment, or once it has answered; how many moments there were. None if the host does
/// not let tests trace.
fn run(kill_at: Option<usize>) -> Option<usize> {
    let mut manager = Manager::start_new();
    manager.end(End::Kill);
    let traced = manager.start_traced();
    let mut trace: Trace =
        traced.inspect_err(|e| println!("skipped: tests may not trace here: {e}")).ok()?;
    trace.run(|| manager.state().ready, None);
    let mut client = trace.run_during(|| {
        let client = manager.connect();
        manager.await_kept(1);
        client
    });
    trace.watch(|| client.send(GREETING));
    if trace.run(|| is_answered(&client), kill_at) == Ran::Done {
        trace.kill();
    }
    let moments = trace.moments();
    manager.traced_ended(trace);
    manager.start();
    let reply = client.reply().expect("the connection lives");
    assert!(!reply["auditlog"].is_null(), "killed at {kill_at:?}: {reply}");
    Some(moments)
}

#[test]
fn a_greeting_is_answered_although_the_daemon_is_killed_at_any_moment() {
    let Some(moments) = run(None) else { return };
    for moment in 0..moments {
        run(Some(moment));
    }
}
