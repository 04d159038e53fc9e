//! What somebody who takes over the host can do with the keys that are on its disk, written from
//! docs/ledger-format.md and without the daemon's code.

use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::files::lines;

type Hash = [u8; 32];

const TAIL: usize = 74;

/// A slot of `ledger.state`.
#[derive(Clone)]
pub struct Loot {
    pub counter: u64,
    pub log_id: [u8; 16],
    pub epoch: u64,
    /// S(e+1).
    pub next_secret: Hash,
    /// sk(e).
    pub sign_key: Hash,
    /// The line of the last seal, the tree with it, and where it ends in its segment.
    pub seal: Vec<u8>,
    pub tree: Tree,
    pub seal_end: u64,
}

impl Loot {
    /// Takes the keys out of the newest valid slot.
    pub fn take(state: &Path) -> Self {
        let bytes = fs::read(state).expect("the state file");
        let slots = bytes.chunks(4096).filter_map(Self::slot);
        slots.max_by_key(|loot| loot.counter).expect("a valid slot")
    }

    fn slot(slot: &[u8]) -> Option<Self> {
        let (body, sum) = slot.split_at(4064);
        if Sha256::digest(body)[..] != *sum || !body.starts_with(b"ALSTATE1") {
            return None;
        }
        let mut at = 8;
        let mut take = |len: usize| {
            at += len;
            &body[at - len..at]
        };
        let counter = number(take(8));
        let log_id = take(16).try_into().expect("16 bytes");
        take(16);
        let epoch = number(take(8));
        let (next_secret, sign_key) = (hash(take(32)), hash(take(32)));
        let len = usize::from(u16::from_be_bytes(take(2).try_into().expect("2 bytes")));
        let (mut tree, mut seal_end, mut seal) = (Tree::default(), 0, Vec::new());
        if len > 0 {
            take(8);
            seal_end = number(take(8)) + len as u64 + 1;
            tree.size = number(take(8));
            tree.roots = (0..tree.size.count_ones()).map(|_| hash(take(32))).collect();
            seal = take(len).to_vec();
        }
        Some(Self { counter, log_id, epoch, next_secret, sign_key, seal, tree, seal_end })
    }

    /// Whether these bytes stand anywhere in the state file.
    pub fn is_on_disk(state: &Path, key: &Hash) -> bool {
        fs::read(state).expect("the state file").windows(32).any(|window| window == key)
    }

    /// K(epoch,0), if `secret` is S(epoch).
    pub fn line_key(&self, secret: &Hash, epoch: u64) -> Hash {
        derive(secret, b"auditlog/v1/line", &self.log_id, epoch)
    }

    /// Signs the seal of the open epoch over the lines that stand in `segment` after the last seal, with the
    /// key that the state holds for it, and appends it. `mac_key`: what its mac is made with.
    pub fn close(&self, segment: &Path, reason: &str, next_pub: &Hash, mac_key: &Hash) {
        let open: Vec<_> = self.open_lines(segment);
        let mut tree = self.tree.clone();
        open.iter().for_each(|line| tree.push(line));
        let last = open.last().unwrap_or(&self.seal);
        let header = lines(segment)[0].strip_suffix(b"\n").map(Sha256::digest).expect("a header");
        let line = self.seal(&tree, &time_of(last), reason, &header.into(), next_pub);
        append(segment, &with_mac(line, mac_key));
    }

    /// The lines of the segment that come after the last seal, without LF.
    pub fn open_lines(&self, segment: &Path) -> Vec<Vec<u8>> {
        let all = lines(segment);
        let after = |line: &Vec<u8>| line.starts_with(b"{\"seq\":") && seq(line) >= self.tree.size;
        all.into_iter().filter(after).map(|line| line[..line.len() - 1].to_vec()).collect()
    }

    /// The line of a seal of epoch e, up to its mac.
    fn seal(
        &self,
        tree: &Tree,
        time: &str,
        reason: &str,
        header: &Hash,
        next_pub: &Hash,
    ) -> Vec<u8> {
        let id = HEXLOWER.encode(&self.log_id);
        let text = String::from_utf8_lossy(&self.seal);
        let boot =
            text.split_once(r#""boottime_ns":"#).map_or("0,\"boot_id\":\"\"", |(_, rest)| {
                rest.split_once(",\"reason\"").expect("a seal").0
            });
        let prev = match self.seal.len() {
            0 => [0; 32],
            _ => Sha256::digest(&self.seal).into(),
        };
        let size = tree.size;
        let line = format!(
            r#"{{"seq":{size},"ts":"{time}","id":"{}-{size}","seal":{{"epoch":{},"first_seq":{},"size":{size},"root":"{}","prev":"{}","header":"{}","next_pub":"{}","boottime_ns":{boot},"reason":"{reason}""#,
            &id[..12],
            self.epoch,
            self.tree.size,
            HEXLOWER.encode(&tree.root()),
            HEXLOWER.encode(&prev),
            HEXLOWER.encode(header),
            HEXLOWER.encode(next_pub),
        );
        let message = [b"auditlog/v1/seal\n", &self.log_id[..], line.as_bytes()].concat();
        let sig = SigningKey::from_bytes(&self.sign_key).sign(&message).to_bytes();
        format!(r#"{line},"sig":"{}"}}"#, HEXLOWER.encode(&sig)).into_bytes()
    }
}

/// A Merkle tree as its frontier.
#[derive(Clone, Default)]
pub struct Tree {
    pub size: u64,
    roots: Vec<Hash>,
}

impl Tree {
    pub fn push(&mut self, line: &[u8]) {
        let mut node = Sha256::new().chain_update([0]).chain_update(line).finalize().into();
        for _ in 0..self.size.trailing_ones() {
            node = join(&self.roots.pop().expect("a subtree"), &node);
        }
        self.roots.push(node);
        self.size += 1;
    }

    fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let last = *roots.next().expect("no log is empty");
        roots.fold(last, |right, left| join(left, &right))
    }
}

fn join(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// S(epoch+1), if `secret` is S(epoch).
pub fn next_secret(secret: &Hash, log_id: &[u8; 16], epoch: u64) -> Hash {
    derive(secret, b"auditlog/v1/next", log_id, epoch)
}

fn derive(secret: &Hash, label: &[u8], log_id: &[u8; 16], epoch: u64) -> Hash {
    let mut key = [0; 32];
    let info: [&[u8]; 3] = [label, log_id, &epoch.to_be_bytes()];
    Hkdf::<Sha256>::new(None, secret).expand_multi_info(&info, &mut key).expect("32 bytes");
    key
}

fn hmac(key: &Hash, message: &[u8]) -> Hash {
    let hmac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    hmac.chain_update(message).finalize().into_bytes().into()
}

/// A line, given up to its tail, with the mac of `key`.
pub fn with_mac(line: Vec<u8>, key: &Hash) -> Vec<u8> {
    let tail = format!(r#","mac":"{}"}}"#, HEXLOWER.encode(&hmac(key, &line)));
    [line, tail.into_bytes()].concat()
}

/// The line, given whole, with its mac made anew.
pub fn mac_again(line: &[u8], key: &Hash) -> Vec<u8> {
    with_mac(line[..line.len() - TAIL].to_vec(), key)
}

/// The public key of a seed.
pub fn public(seed: &Hash) -> Hash {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

pub fn append(path: &Path, line: &[u8]) {
    let mut bytes = fs::read(path).expect("reads");
    bytes.extend_from_slice(line);
    bytes.push(b'\n');
    fs::write(path, bytes).expect("writes");
}

pub fn seq(line: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(line);
    let digits = text.strip_prefix("{\"seq\":").and_then(|rest| rest.split(',').next());
    digits.and_then(|digits| digits.parse().ok()).expect("a line's seq")
}

/// The time that stands in a line.
fn time_of(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.split_once(r#""ts":""#).expect("a line's time").1[..30].to_owned()
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().expect("8 bytes"))
}

fn hash(bytes: &[u8]) -> Hash {
    bytes.try_into().expect("32 bytes")
}
