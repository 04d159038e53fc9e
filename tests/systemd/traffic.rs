//! Clients inside the container that send without ever reading, and whether what they sent is stored.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::container::{Container, LONG, TESTS, wait};
use crate::load::{self, Client};
use crate::oracle::{self, Outcome};

pub const SOCKET: &str = "/run/auditd.sock";
pub const CLIENTS: usize = 20;
pub const EVENTS_PER_SECOND: usize = 10_000;

/// Between two disturbances so many events are stored at least: half a second's.
pub const MORE: usize = EVENTS_PER_SECOND / 2;

/// So long a sender may run.
const LIMIT: Duration = Duration::from_secs(1800);
/// When nothing more has been indexed for so long, what is missing is lost.
const QUIET: Duration = Duration::from_secs(15);

/// Running clients.
pub struct Traffic<'a> {
    container: &'a Container,
    name: &'a str,
    sender: Child,
}

impl<'a> Traffic<'a> {
    /// Starts the clients and waits until events of theirs are stored. `name` tells them from those of other tests.
    pub fn start(container: &'a Container, name: &'a str) -> Self {
        let numbers = [CLIENTS.to_string(), EVENTS_PER_SECOND.to_string()];
        let sender = container
            .program(LIMIT, &load::words(TESTS, SOCKET, name, &numbers))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("nsenter runs");
        let traffic = Self { container, name, sender };
        traffic.flows();
        traffic
    }

    /// Waits until more events of it are stored.
    pub fn flows(&self) {
        let wanted = self.indexed() + MORE;
        wait("more events are stored", LONG, || (self.indexed() >= wanted).then_some(()));
    }

    /// Ends the clients, waits until all that they sent is stored or lost, and says which.
    pub fn finish(mut self) -> Outcome {
        drop(self.sender.stdin.take());
        let Self { container, name, sender } = self;
        let output = sender.wait_with_output().expect("waits");
        let clients: Vec<Client> =
            serde_json::from_slice(&output.stdout).expect("the sender says what it sent");
        let sent = clients.iter().map(|client| client.sent).sum();
        settle(container, name, sent);
        oracle::judge(container, name, clients)
    }

    fn indexed(&self) -> usize {
        indexed(self.container, self.name)
    }
}

fn indexed(container: &Container, name: &str) -> usize {
    let query = format!("SELECT count(*) FROM events WHERE event_type = 'load.{name}'");
    // The daemon may just be starting.
    container.try_sql(&query).trim().parse().unwrap_or(0)
}

fn settle(container: &Container, name: &str, sent: usize) {
    let (mut seen, mut since) = (0, Instant::now());
    wait("no more events are stored", Duration::from_secs(600), || {
        let now = indexed(container, name);
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
        (now >= sent || since.elapsed() > QUIET).then_some(())
    });
}
