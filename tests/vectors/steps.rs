//! Every value on the way to a line's bytes, computed here from docs/ledger-format.md alone, without the
//! ledger's code: the secrets and line keys from the auditor key, the tree by its recursive definition.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Digest, Sha256};

type Hash = [u8; 32];

struct Leaf {
    file: String,
    offset: usize,
    line: String,
}

/// steps.json of the log in `dir`.
pub fn of(dir: &Path) -> String {
    let leaves = leaves(dir);
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf.line.as_bytes())).collect();
    let mut out = String::from("{\"leaves\":[\n");
    let mut keys = Keys::new(dir);
    for (seq, leaf) in leaves.iter().enumerate() {
        let (head, tail) = leaf.line.split_at(leaf.line.len() - 74);
        let used = keys.next(peek(&leaf.line).seal.as_ref());
        let mac = hex(&hmac(&used.key, head.as_bytes()));
        assert_eq!(tail, format!(",\"mac\":\"{mac}\"}}"), "seq {seq}");
        let comma = if seq + 1 < leaves.len() { "," } else { "" };
        let _ = writeln!(
            out,
            "{{\"seq\":{seq},\"file\":\"{}\",\"offset\":{},\"length\":{},\"epoch\":{},\"secret\":\"{}\",\"key\":\"{}\",\"mac\":\"{mac}\",\"leaf_hash\":\"{}\",\"root_with_it\":\"{}\"}}{comma}",
            leaf.file,
            leaf.offset,
            leaf.line.len(),
            used.epoch,
            hex(&used.secret),
            hex(&used.key),
            hex(&hashes[seq]),
            hex(&root(&hashes[..=seq])),
        );
    }
    out.push_str("],\n\"inclusion\":[\n");
    let n = hashes.len();
    let proofs = [(0, 1), (0, 2), (1, 3), (2, n), (n - 1, n), (n / 2, n - 1)];
    let lines = proofs.map(|(index, size)| {
        let path = list(&inclusion(index, &hashes[..size]));
        format!("{{\"index\":{index},\"size\":{size},\"path\":{path}}}")
    });
    out.push_str(&lines.join(",\n"));
    out.push_str("\n],\n\"consistency\":[\n");
    let lines = [(1, 2), (2, 3), (4, n), (3, n), (n - 1, n), (n, n)].map(|(old, new)| {
        let path = list(&consistency(old, &hashes[..new], true));
        format!("{{\"old\":{old},\"new\":{new},\"path\":{path}}}")
    });
    out.push_str(&lines.join(",\n"));
    out.push_str("\n]}\n");
    out
}

/// All lines but the headers, in the order of their seq.
fn leaves(dir: &Path) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    for entry in fs::read_dir(dir).expect("dir") {
        let file = entry.expect("entry").file_name().into_string().expect("utf-8");
        let Some(text) = fs::read_to_string(dir.join(&file)).ok() else { continue };
        if !text.starts_with("{\"auditlog\":1,") {
            continue;
        }
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let whole = line.strip_suffix('\n').expect("whole lines");
            leaves.push(Leaf { file: file.clone(), offset, line: whole.into() });
            offset += line.len();
        }
    }
    leaves.retain(|leaf| leaf.line.starts_with("{\"seq\":"));
    leaves.sort_by_key(|leaf| peek(&leaf.line).seq);
    leaves
}

/// What of a line is needed here.
#[derive(Deserialize)]
struct Peek {
    seq: u64,
    seal: Option<Seal>,
}

#[derive(Deserialize)]
struct Seal {
    reason: String,
}

fn peek(line: &str) -> Peek {
    serde_json::from_str(line).expect("json")
}

/// The secrets and line keys, from the auditor key on.
struct Keys {
    log_id: [u8; 16],
    epoch: u64,
    secret: Hash,
    key: Hash,
}

struct Used {
    epoch: u64,
    secret: Hash,
    key: Hash,
}

impl Keys {
    fn new(dir: &Path) -> Self {
        let text = fs::read_to_string(dir.join("auditor.key")).expect("auditor.key");
        let secret = bytes(text.trim()).try_into().expect("32 bytes");
        let checkpoint = fs::read_to_string(dir.join("checkpoint")).expect("checkpoint");
        let origin = checkpoint.lines().next().expect("origin");
        let log_id = bytes(&origin[origin.len() - 32..]).try_into().expect("16 bytes");
        let mut keys = Self { log_id, epoch: 0, secret, key: [0; 32] };
        keys.key = keys.derive("auditlog/v1/line");
        keys
    }

    fn derive(&self, label: &str) -> Hash {
        let mut out = [0; 32];
        let info = [label.as_bytes(), &self.log_id, &self.epoch.to_be_bytes()].concat();
        Hkdf::<Sha256>::new(None, &self.secret).expand(&info, &mut out).expect("32 bytes");
        out
    }

    fn close_epoch(&mut self) {
        self.secret = self.derive("auditlog/v1/next");
        self.epoch += 1;
        self.key = self.derive("auditlog/v1/line");
    }

    /// The key of the next line, which may be a seal.
    fn next(&mut self, seal: Option<&Seal>) -> Used {
        let lost = seal.is_some_and(|seal| ["start", "recovered"].contains(&&*seal.reason));
        if lost {
            self.close_epoch();
        }
        let used = Used { epoch: self.epoch, secret: self.secret, key: self.key };
        self.key = hmac(&self.key, b"ratchet");
        if seal.is_some() && !lost {
            self.close_epoch();
        }
        used
    }
}

fn hmac(key: &Hash, message: &[u8]) -> Hash {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.chain_update(message).finalize().into_bytes().into()
}

fn leaf_hash(line: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(line).finalize().into()
}

/// RFC 6962, section 2.1.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            let node = Sha256::new().chain_update([1]).chain_update(root(left));
            node.chain_update(root(right)).finalize().into()
        }
    }
}

/// The largest power of two below n.
fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// RFC 6962, section 2.1.1.
fn inclusion(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, other) = match index.checked_sub(left.len()) {
        None => (inclusion(index, left), right),
        Some(index) => (inclusion(index, right), left),
    };
    path.push(root(other));
    path
}

/// RFC 6962, section 2.1.2.
fn consistency(old: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, other) = match old.checked_sub(left.len()) {
        None | Some(0) => (consistency(old, left, whole), right),
        Some(rest) => (consistency(rest, right, false), left),
    };
    path.push(root(other));
    path
}

fn list(hashes: &[Hash]) -> String {
    let quoted: Vec<_> = hashes.iter().map(|hash| format!("\"{}\"", hex(hash))).collect();
    format!("[{}]", quoted.join(","))
}

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).expect("hex")
}
