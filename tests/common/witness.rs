//! A strict witness for tests: c2sp.org/tlog-witness on the loopback, written from the specification and
//! RFC 9162, section 2.1.4.2, and sharing no code with the daemon's proofs.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use tiny_http::{Header, Method, Request, Response, Server};

type Hash = [u8; 32];

/// A running witness; it ends when dropped.
pub struct Witness {
    server: Arc<Server>,
    key: SigningKey,
    pub state: Arc<Mutex<State>>,
    thread: Option<JoinHandle<()>>,
}

/// What it knows.
#[derive(Default)]
pub struct State {
    /// The logs' keys by origin.
    pub logs: HashMap<String, VerifyingKey>,
    /// What it cosigned last by origin.
    pub latest: HashMap<String, (u64, Hash)>,
    /// What it was asked, and its answer's status.
    pub asked: Vec<Asked>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub old: u64,
    pub proof_lines: usize,
    pub size: u64,
    pub status: u16,
}

const NAME: &str = "witness.example/w1";

impl Witness {
    /// Listens on a port of its own.
    pub fn start() -> Self {
        Self::listen("127.0.0.1:0")
    }

    /// Listens on the port that another one had.
    pub fn listen(address: &str) -> Self {
        let server = Arc::new(Server::http(address).expect("a port"));
        let key = SigningKey::from_bytes(&[9; 32]);
        let state = Arc::<Mutex<State>>::default();
        let (serve, known, signer) = (server.clone(), state.clone(), key.clone());
        let thread = std::thread::spawn(move || {
            for request in serve.incoming_requests() {
                answer(request, &known, &signer);
            }
        });
        Self { server, key, state, thread: Some(thread) }
    }

    pub fn address(&self) -> String {
        self.server.server_addr().to_string()
    }

    pub fn vkey(&self) -> String {
        vkey(NAME, 4, &self.key.verifying_key())
    }

    /// The `[[anchor]]` of it.
    pub fn config(&self) -> String {
        config(&self.address(), &self.vkey())
    }

    /// Takes checkpoints of the log with this verifier key.
    pub fn trust(&self, log: &str) {
        let mut parts = log.trim().splitn(3, '+');
        let (origin, _, key) = (parts.next().expect("name"), parts.next(), parts.next());
        let key = BASE64.decode(key.expect("a key").as_bytes()).expect("base64");
        let key = VerifyingKey::from_bytes(key[1..].try_into().expect("32 bytes")).expect("a key");
        self.state().logs.insert(origin.into(), key);
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    /// The largest size that it cosigned.
    pub fn size(&self) -> u64 {
        self.state().latest.values().map(|(size, _)| *size).max().unwrap_or(0)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.server.unblock();
        if let Some(thread) = self.thread.take() {
            let _its_own_panic_is_shown = thread.join();
        }
    }
}

/// An `[[anchor]]` of a witness.
pub fn config(address: &str, vkey: &str) -> String {
    format!("\n[[anchor]]\ntype = \"witness\"\nurl = \"http://{address}/w\"\nvkey = \"{vkey}\"\n")
}

/// Name, id and key, as verifier keys are written.
pub fn vkey(name: &str, kind: u8, key: &VerifyingKey) -> String {
    let typed = [&[kind][..], key.as_bytes()].concat();
    format!("{name}+{}+{}", HEXLOWER.encode(&key_id(name, &typed)), BASE64.encode(&typed))
}

fn key_id(name: &str, typed: &[u8]) -> [u8; 4] {
    let hash = Sha256::new().chain_update(name).chain_update("\n").chain_update(typed).finalize();
    hash[..4].try_into().expect("4 bytes")
}

fn answer(mut request: Request, state: &Mutex<State>, key: &SigningKey) {
    let mut body = String::new();
    request.as_reader().read_to_string(&mut body).expect("UTF-8");
    let mut state = state.lock().expect("not poisoned");
    let posted = *request.method() == Method::Post && request.url() == "/w/add-checkpoint";
    let mut asked = Asked { old: 0, proof_lines: 0, size: 0, status: 400 };
    let mut text = Err((404, String::new()));
    if posted {
        text = judge(&body, &mut state, key, &mut asked);
    }
    let (status, text) = text.map_or_else(|refused| refused, |text| (200, text));
    asked.status = status;
    state.asked.push(asked);
    drop(state);
    let kind = if status == 409 { "text/x.tlog.size" } else { "text/plain" };
    let header = Header::from_bytes("Content-Type", kind).expect("a header");
    let length = Some(text.len());
    let reply = Response::new(status.into(), vec![header], Cursor::new(text), length, None);
    let _the_daemon_may_be_gone = request.respond(reply);
}

type Judged = Result<String, (u16, String)>;

fn judge(body: &str, state: &mut State, key: &SigningKey, asked: &mut Asked) -> Judged {
    let malformed = || (400, String::new());
    let (head, note) = body.split_once("\n\n").ok_or_else(malformed)?;
    let mut head = head.split('\n');
    let old = head.next().and_then(|line| line.strip_prefix("old ")).ok_or_else(malformed)?;
    asked.old = number(old).ok_or_else(malformed)?;
    let proof: Option<Vec<Hash>> = head.map(hash).collect();
    let proof = proof.filter(|proof| proof.len() <= 63).ok_or_else(malformed)?;
    asked.proof_lines = proof.len();

    let (text, signatures) = note.split_once("\n\n").ok_or_else(malformed)?;
    let text = format!("{text}\n");
    let lines: Vec<&str> = text.lines().collect();
    let [origin, size, root] = lines[..] else { return Err(malformed()) };
    let size = number(size).ok_or_else(malformed)?;
    let root = hash(root).ok_or_else(malformed)?;
    asked.size = size;

    let log = state.logs.get(origin).ok_or((404, String::new()))?;
    if !signatures.ends_with('\n') || !signed(&text, signatures, origin, log) {
        return Err((403, String::new()));
    }
    if asked.old > size {
        return Err(malformed());
    }
    let (latest, latest_root) = state.latest.get(origin).copied().unwrap_or((0, [0; 32]));
    if asked.old != latest || (latest == size && latest_root != root) {
        return Err((409, format!("{latest}\n")));
    }
    let consistent = match latest {
        0 => proof.is_empty(),
        _ if latest == size => proof.is_empty(),
        _ => verify_consistency(latest, size, &latest_root, &root, &proof),
    };
    if !consistent {
        return Err((422, String::new()));
    }
    state.latest.insert(origin.into(), (size, root));
    Ok(cosign(&text, key))
}

fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn hash(line: &str) -> Option<Hash> {
    BASE64.decode(line.as_bytes()).ok()?.try_into().ok()
}

/// Whether one of the lines is the log's own signature.
fn signed(text: &str, signatures: &str, origin: &str, log: &VerifyingKey) -> bool {
    let id = key_id(origin, &[&[1][..], log.as_bytes()].concat());
    signatures.lines().any(|line| {
        let signature = line.strip_prefix(&format!("\u{2014} {origin} "));
        let bytes = signature.and_then(|base64| BASE64.decode(base64.as_bytes()).ok());
        bytes.is_some_and(|bytes| {
            bytes[..4] == id
                && Signature::from_slice(&bytes[4..])
                    .is_ok_and(|signature| log.verify_strict(text.as_bytes(), &signature).is_ok())
        })
    })
}

/// c2sp.org/tlog-cosignature, Ed25519.
fn cosign(text: &str, key: &SigningKey) -> String {
    let now = std::time::SystemTime::now();
    let time = now.duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let signature = key.sign(format!("cosignature/v1\ntime {time}\n{text}").as_bytes());
    let id = key_id(NAME, &[&[4][..], key.verifying_key().as_bytes()].concat());
    let bytes = [&id[..], &time.to_be_bytes(), &signature.to_bytes()].concat();
    format!("\u{2014} {NAME} {}\n", BASE64.encode(&bytes))
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// RFC 9162, section 2.1.4.2, for 0 < first < second.
fn verify_consistency(first: u64, second: u64, old: &Hash, new: &Hash, proof: &[Hash]) -> bool {
    let mut path = proof.to_vec();
    if first.is_power_of_two() {
        path.insert(0, *old);
    }
    let (mut f, mut s) = (first - 1, second - 1);
    while f & 1 == 1 {
        (f, s) = (f >> 1, s >> 1);
    }
    let Some((start, rest)) = path.split_first() else { return false };
    let (mut fr, mut sr) = (*start, *start);
    for c in rest {
        if s == 0 {
            return false;
        }
        if f & 1 == 1 || f == s {
            (fr, sr) = (node(c, &fr), node(c, &sr));
            while f & 1 == 0 && f != 0 {
                (f, s) = (f >> 1, s >> 1);
            }
        } else {
            sr = node(&sr, c);
        }
        (f, s) = (f >> 1, s >> 1);
    }
    fr == *old && sr == *new && s == 0
}
