//! Row 20: proofs for lines that are not in the log, or not there.

use std::fs;
use std::path::PathBuf;

use auditlogd::ledger::proof::verify_inclusion;
use auditlogd::ledger::tree::{Hash, Tree, leaf_hash, node_hash};
use data_encoding::BASE64;

use crate::common::Daemon;

/// Roots over [begin, end) of these leaves, as RFC 6962 defines them.
fn root(leaves: &[Hash]) -> Hash {
    let mut tree = Tree::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

/// The siblings of leaf `index`, from the definition (RFC 6962, 2.1.1).
fn path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut path, sibling) = match index < split {
        true => (path(index, left), root(right)),
        false => (path(index - split, right), root(left)),
    };
    path.push(sibling);
    path
}

fn leaves(count: u8) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&[b'l', n])).collect()
}

#[test]
fn row_20_wrong_index_size_leaf_or_hash() {
    for size in 1..=20u8 {
        let leaves = leaves(size);
        let root = root(&leaves);
        for index in 0..size {
            let (leaf, path) = (leaves[usize::from(index)], path(index.into(), &leaves));
            let holds = |leaf: &Hash, index: u64, size: u64, path: &[Hash]| {
                verify_inclusion(leaf, index, size, path, &root)
            };
            let (index, size) = (u64::from(index), u64::from(size));
            assert!(holds(&leaf, index, size, &path), "leaf {index} of {size}");
            for other in (0..=size + 1).chain([u64::MAX]).filter(|other| *other != index) {
                assert!(!holds(&leaf, other, size, &path), "{index} as {other} of {size}");
            }
            let fits = |other: u64| other > index && self::path_len(index, other) == path.len();
            for other in (0..=2 * size).chain([u64::MAX]).filter(|other| *other != size) {
                // Where both trees have a path of this shape, the root alone would not tell them apart; a
                // checkpoint names the size together with it.
                if !fits(other) {
                    assert!(!holds(&leaf, index, other, &path), "{index} of {size} as of {other}");
                }
            }
            assert!(!holds(&leaf_hash(b"forged"), index, size, &path));
            for at in 0..path.len() {
                for change in [|hash: &mut Hash| hash[0] ^= 1, |hash: &mut Hash| hash[31] ^= 128] {
                    let mut forged = path.clone();
                    change(&mut forged[at]);
                    assert!(!holds(&leaf, index, size, &forged));
                }
                let mut cut = path.clone();
                cut.remove(at);
                assert!(!holds(&leaf, index, size, &cut));
            }
            assert!(!holds(&leaf, index, size, &[&path[..], &[leaf]].concat()));
        }
    }
}

/// The siblings that leaf `index` has in a tree of `size` leaves.
fn path_len(index: u64, size: u64) -> usize {
    let leaves = vec![[0; 32]; size.min(64) as usize];
    if index < leaves.len() as u64 && size <= 64 { path(index as usize, &leaves).len() } else { 99 }
}

/// An inner node must not pass for a line whose text is the two hashes below it, nor a line for a node.
#[test]
fn row_20_leaf_and_node_confusion() {
    let leaves = leaves(4);
    let root = root(&leaves);
    let (left, right) = (node_hash(&leaves[0], &leaves[1]), node_hash(&leaves[2], &leaves[3]));
    assert_eq!(node_hash(&left, &right), root);
    // The node as the leaf of a smaller tree: only leaf hashes of bytes count, and the line below is bytes.
    let text = [leaves[0], leaves[1]].concat();
    assert_ne!(leaf_hash(&text), left, "a line cannot have a node's hash");
    assert!(!verify_inclusion(&leaf_hash(&text), 0, 2, &[right], &root));
    assert!(!verify_inclusion(&left, 0, 4, &[right], &root), "too short for four leaves");
    assert!(!verify_inclusion(&leaf_hash(&[left, right].concat()), 0, 1, &[], &root));
}

/// A daemon that has stopped, the proof of its event, and the verifier key.
fn proved() -> (Daemon, String, PathBuf) {
    let daemon = Daemon::start();
    daemon.greeted().store("{\"event_id\":\"real\"}\n{\"event_id\":\"other\"}\n{}", 3);
    daemon.settle();
    let daemon = daemon.stop().daemon;
    let output = daemon.tool(&["prove", "real"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let key = daemon.root().join("var/lib/auditlogd/checkpoint.vkey");
    (daemon, String::from_utf8(output.stdout).expect("utf-8"), key)
}

#[test]
fn row_20_forged_proof_files_are_refused() {
    let (daemon, proof, key) = proved();
    let file = daemon.root().join("event.tlog-proof");
    let verify = |text: &str| {
        fs::write(&file, text).expect("writes");
        let (file, key) = (file.to_str().expect("utf-8"), key.to_str().expect("utf-8"));
        daemon.tool(&["verify-proof", "--vkey", key, file]).status.code()
    };
    assert_eq!(verify(&proof), Some(0), "{proof}");
    let lines: Vec<_> = proof.lines().collect();
    let with = |at: usize, line: &str| {
        let mut lines = lines.clone();
        lines[at] = line;
        lines.join("\n") + "\n"
    };
    let extra = lines[1].strip_prefix("extra ").expect("the line");
    let line = String::from_utf8(BASE64.decode(extra.as_bytes()).expect("base64")).expect("utf-8");
    let index: u64 = lines[2].strip_prefix("index ").expect("an index").parse().expect("a number");
    let extra = |line: &str| format!("extra {}", BASE64.encode(line.as_bytes()));
    let blank = lines.iter().position(|line| line.is_empty()).expect("a checkpoint");
    let size: u64 = lines[blank + 2].parse().expect("a size");

    assert_eq!(verify(&with(1, &extra(&line.replace("real", "fake")))), Some(4), "another line");
    let renumbered = line.replace(&format!("\"seq\":{index}"), "\"seq\":1");
    assert_eq!(verify(&with(1, &extra(&renumbered))), Some(4), "another seq");
    for other in [0, index + 1, size - 1] {
        assert_eq!(verify(&with(2, &format!("index {other}"))), Some(4), "as leaf {other}");
    }
    for at in 3..blank {
        assert_eq!(verify(&with(at, &BASE64.encode(&[7; 32]))), Some(4), "hash {at}");
    }
    for other in [size - 1, size + 1] {
        let code = verify(&with(blank + 2, &other.to_string()));
        assert_eq!(code, Some(4), "a checkpoint of size {other}");
    }
    let root = BASE64.encode(&[7; 32]);
    assert_eq!(verify(&with(blank + 3, &root)), Some(4), "a checkpoint with another root");
    for bad in ["", "index 2\n", &with(2, "index 02"), &with(2, "index 99999999999999999999")] {
        assert_ne!(verify(bad), Some(0), "{bad}");
    }
    // Every file of the log's, but none of a proof's form.
    assert_ne!(verify(&line), Some(0));
}
