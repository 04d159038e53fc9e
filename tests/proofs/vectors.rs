//! The vectors of transparency-dev/merkle, in tests/vectors/transparency-dev.

use std::fs;
use std::path::Path;

use auditlogd::ledger::proof::{verify_consistency, verify_inclusion};
use auditlogd::ledger::tree::{Hash, leaf_hash};
use data_encoding::{BASE64, HEXLOWER};
use serde::de::DeserializeOwned;

use crate::{consistency, inclusion, tree};

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: String,
    leaf_hash: String,
    proof: Option<Vec<String>>,
    desc: String,
    want_err: bool,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: String,
    root2: String,
    proof: Option<Vec<String>>,
    desc: String,
    want_err: bool,
}

fn read<T: DeserializeOwned>(name: &str) -> Vec<T> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/transparency-dev");
    let text = fs::read_to_string(dir.join(name)).expect("the vectors can be read");
    text.lines().map(|line| serde_json::from_str(line).expect("a vector")).collect()
}

/// `None` if it is no hash, which some vectors have in place of one.
fn hash(base64: &str) -> Option<Hash> {
    BASE64.decode(base64.as_bytes()).expect("base64").try_into().ok()
}

/// The same for a comparison that does not care what a root is.
fn root(base64: &str) -> Hash {
    hash(base64).unwrap_or_else(|| leaf_hash(base64.as_bytes()))
}

fn hashes(proof: Option<Vec<String>>) -> Vec<Hash> {
    proof.unwrap_or_default().iter().map(|text| root(text)).collect()
}

fn leaves() -> Vec<Hash> {
    let hex = "- 00 10 2021 3031 40414243 5051525354555657 606162636465666768696a6b6c6d6e6f";
    let bytes = |hex: &str| HEXLOWER.decode(hex.trim_start_matches('-').as_bytes()).expect("hex");
    hex.split(' ').map(|leaf| leaf_hash(&bytes(leaf))).collect()
}

#[test]
fn inclusion_proofs_are_accepted_and_refused_as_published() {
    let leaves = leaves();
    let (mut accepted, mut refused, mut made) = (0, 0, 0);
    for case in read::<Inclusion>("inclusion.jsonl") {
        let (index, size, path) = (case.leaf_idx, case.tree_size, hashes(case.proof));
        let (leaf, root) = (hash(&case.leaf_hash), hash(&case.root));
        let holds = leaf
            .zip(root)
            .is_some_and(|(leaf, root)| verify_inclusion(&leaf, index, size, &path, &root));
        assert_eq!(holds, !case.want_err, "{} of {index} in {size}", case.desc);
        *if holds { &mut accepted } else { &mut refused } += 1;
        if case.desc == "happy path" {
            let leaves = &leaves[..size as usize];
            assert_eq!(
                (tree(leaves).root(), inclusion(index as usize, leaves)),
                (root.expect("a root"), path)
            );
            made += 1;
        }
    }
    assert_eq!((accepted, refused, made), (6, 92, 5));
}

#[test]
fn consistency_proofs_are_accepted_and_refused_as_published() {
    let leaves = leaves();
    let (mut accepted, mut refused, mut made) = (0, 0, 0);
    for case in read::<Consistency>("consistency.jsonl") {
        let (old_root, new_root) = (root(&case.root1), root(&case.root2));
        let (old, new, path) = (case.size1, case.size2, hashes(case.proof));
        let holds = verify_consistency((old, &old_root), (new, &new_root), &path);
        assert_eq!(holds, !case.want_err, "{} from {old} to {new}", case.desc);
        *if holds { &mut accepted } else { &mut refused } += 1;
        if case.desc == "happy path" {
            let leaves = &leaves[..new as usize];
            assert_eq!((tree(leaves).root(), consistency(old as usize, leaves)), (new_root, path));
            made += 1;
        }
    }
    assert_eq!((accepted, refused, made), (6, 92, 5));
}
