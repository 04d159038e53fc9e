//! Clients that read their acknowledgements, and after each lost connection send again, byte for byte, what was not
//! acknowledged.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fastrand::Rng;
use serde_json::Value;

use crate::common::{LONG, eventually};
use crate::event;

/// The most lines that are sent before their acknowledgement is awaited.
const BURST: u64 = 40;

/// Running clients.
pub struct Producers {
    clients: Vec<JoinHandle<Sent>>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
}

/// What one client sent; all of it is acknowledged.
pub struct Sent {
    /// Events 0 to here.
    pub events: u64,
    /// How often one was sent that had been sent before.
    pub again: u64,
    /// Connections it needed.
    pub connections: u64,
}

impl Producers {
    /// Starts so many, which together send about `rate` events a second. If they are `impatient`, they close a
    /// connection now and then before they have read what is acknowledged, and send that again as well.
    pub fn start(socket: &Path, seed: u64, count: u64, rate: u64, impatient: bool) -> Self {
        let (stop, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let pause = Duration::from_secs_f64(BURST as f64 / 2.0 * count as f64 / rate as f64);
        let client = |producer| {
            let client = Client {
                socket: socket.to_owned(),
                seed,
                producer,
                rng: Rng::with_seed(seed ^ producer),
                pause,
                impatient,
                waiting: VecDeque::new(),
                sent: Sent { events: 0, again: 0, connections: 0 },
                stop: stop.clone(),
                acknowledged: acknowledged.clone(),
            };
            std::thread::spawn(move || client.run())
        };
        let clients = (0..count).map(client).collect();
        Self { clients, stop, acknowledged }
    }

    /// Waits until so many more events are acknowledged.
    pub fn more(&self, events: u64) {
        let now = || self.acknowledged.load(Relaxed);
        let wanted = now() + events;
        eventually("more events are acknowledged", || (now() >= wanted).then_some(()));
    }

    /// Events that are acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Relaxed)
    }

    /// Has each send what is left and wait for its acknowledgement.
    pub fn finish(self) -> Vec<Sent> {
        self.stop.store(true, Relaxed);
        let sent = |client: JoinHandle<Sent>| client.join().expect("the client ends well");
        self.clients.into_iter().map(sent).collect()
    }
}

struct Client {
    socket: PathBuf,
    seed: u64,
    producer: u64,
    rng: Rng,
    /// From one burst to the next.
    pause: Duration,
    impatient: bool,
    /// Events that are not acknowledged.
    waiting: VecDeque<u64>,
    sent: Sent,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
}

impl Client {
    fn run(mut self) -> Sent {
        while !self.is_done() {
            // The daemon may be away for a moment.
            let _lost = self.serve_one_connection();
            std::thread::sleep(Duration::from_millis(10));
        }
        self.sent
    }

    fn is_done(&self) -> bool {
        self.stop.load(Relaxed) && self.waiting.is_empty()
    }

    /// Sends until told to stop, or until the connection is lost.
    fn serve_one_connection(&mut self) -> std::io::Result<()> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(LONG))?;
        stream.write_all(b"{\"auditlog\":{\"ack\":true}}\n")?;
        let mut replies = BufReader::new(stream.try_clone()?);
        self.reply(&mut replies)?;
        self.sent.connections += 1;
        self.sent.again += self.waiting.len() as u64;
        let mut lines = 0;
        while !self.is_done() {
            let next = Instant::now() + self.pause;
            if self.waiting.is_empty() {
                let burst = self.rng.u64(1..BURST);
                self.waiting.extend(self.sent.events..self.sent.events + burst);
                self.sent.events += burst;
            }
            let text: String = self.waiting.iter().map(|n| self.line(*n)).collect();
            stream.write_all(text.as_bytes())?;
            if self.impatient && self.rng.u8(..16) == 0 {
                return Ok(());
            }
            while !self.waiting.is_empty() {
                let reply = self.reply(&mut replies)?;
                let Some(line) = reply["ack"]["line"].as_u64() else {
                    return Err(std::io::Error::other("sent again on another connection"));
                };
                self.waiting.drain(..(line - lines) as usize);
                self.acknowledged.fetch_add(line - lines, Relaxed);
                lines = line;
            }
            if !self.stop.load(Relaxed) {
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        }
        Ok(())
    }

    fn line(&self, n: u64) -> String {
        event::text(self.seed, (self.producer, n)) + "\n"
    }

    fn reply(&self, replies: &mut BufReader<UnixStream>) -> std::io::Result<Value> {
        let mut line = String::new();
        match replies.read_line(&mut line) {
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("producer {} had no reply in {LONG:?}", self.producer)
            }
            Ok(0) => Err(std::io::ErrorKind::UnexpectedEof.into()),
            read => read.map(|_| serde_json::from_str(&line).expect("a reply is JSON")),
        }
    }
}
