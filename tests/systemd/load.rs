//! The senders: this same program, run inside the container as
//! `systemd-tests load SOCKET NAME CLIENTS EVENTS_PER_SECOND`.
//!
//! Each client has one connection for its whole life and never reads from it. It sends at an even rate, each
//! event by a write of its own, and makes up for the time that a write was held up. The end of standard input
//! ends it; what was sent, it then prints as JSON.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

const COMMAND: &str = "load";
const TICK: Duration = Duration::from_millis(10);

/// What became of a client.
#[derive(Debug, Serialize, Deserialize)]
pub struct Client {
    /// Events whose write has succeeded. Their ids are NAME-CLIENT-0, NAME-CLIENT-1, ….
    pub sent: usize,
    /// Why it could not go on, if so: the connection was lost.
    pub lost: Option<String>,
}

/// The words that make the program a sender.
pub fn words<'a>(
    program: &'a str,
    socket: &'a str,
    name: &'a str,
    numbers: &'a [String; 2],
) -> [&'a str; 6] {
    [program, COMMAND, socket, name, &numbers[0], &numbers[1]]
}

/// Whether the command line asks for a sender.
pub fn wanted() -> bool {
    std::env::args().nth(1).is_some_and(|word| word == COMMAND)
}

/// Sends until standard input ends.
pub fn main() {
    let words: Vec<String> = std::env::args().skip(2).collect();
    let [socket, name, clients, rate] = &words[..] else { panic!("four words, not {words:?}") };
    let clients: usize = clients.parse().expect("a number of clients");
    let rate = rate.parse::<f64>().expect("events a second") / clients as f64;
    let stop = AtomicBool::new(false);
    let done: Vec<Client> = std::thread::scope(|scope| {
        let start = |client: usize| {
            let stop = &stop;
            scope.spawn(move || send(socket, &format!("{name}-{client}"), name, rate, stop))
        };
        let clients: Vec<_> = (0..clients).map(start).collect();
        std::io::stdin().read_to_end(&mut Vec::new()).expect("reads standard input");
        stop.store(true, Ordering::Relaxed);
        clients.into_iter().map(|client| client.join().expect("a client ends well")).collect()
    });
    let report = serde_json::to_string(&done).expect("serializes");
    // Whoever asked may have given up.
    let _ = writeln!(std::io::stdout(), "{report}");
}

fn send(socket: &str, id: &str, name: &str, rate: f64, stop: &AtomicBool) -> Client {
    let mut client = Client { sent: 0, lost: None };
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(e) => return Client { lost: Some(format!("connect: {e}")), ..client },
    };
    let begin = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let due = (begin.elapsed().as_secs_f64() * rate) as usize;
        while client.sent < due && !stop.load(Ordering::Relaxed) {
            let n = client.sent;
            let event = format!(
                "{{\"event_type\":\"load.{name}\",\"event_id\":\"{id}-{n}\",\"actor\":\"user-{}\",\"action\":\"update\",\"outcome\":\"success\",\"target\":\"order/{n}\"}}\n",
                n % 500
            );
            if let Err(e) = stream.write_all(event.as_bytes()) {
                return Client { lost: Some(format!("write: {e}")), ..client };
            }
            client.sent += 1;
        }
        std::thread::sleep(TICK);
    }
    client
}
