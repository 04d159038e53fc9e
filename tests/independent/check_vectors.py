#!/usr/bin/env python3
"""Holds the verifier against tests/vectors: both logs, every edit of them, every step on the way, and all proofs.

Prints a line for each failure, and ends with `N passed, M failed`.
"""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import notes
from ledger import Given, Verification
from notes import Note, VerifierKey, check_proof, read_anchors
from tree import Keys, Tree, consistent, included, leaf_hash, mac, node_hash
from verify import read_key, report

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
passed = failed = 0


def expect(name: str, good: bool, seen: object = "") -> None:
    global passed, failed
    passed, failed = passed + good, failed + (not good)
    if not good:
        print(f"FAILED: {name}: {seen}")


def verify(directory: Path, key: bool = False, anchors: str | bytes = "") -> Verification:
    raw = anchors.encode() if isinstance(anchors, str) else anchors
    given = Given(directory, read_key(str(directory / "genesis.pub")), read_key(str(directory / "auditor.key")) if key else None)
    given.anchors = read_anchors(raw) if raw else given.anchors
    return Verification(directory, given)


def check(name: str, code: int, v: Verification, seq: int | None = None, anchored: int = 0) -> None:
    found, finding = report(v), v.verdict()
    expect(name, found[0] == code and v.anchored == anchored and (seq is None or (finding is not None and finding.seq == seq)), found)


def copy_of(name: str, into: Path) -> Path:
    shutil.rmtree(into, ignore_errors=True)
    return shutil.copytree(VECTORS / name, into)


def changes(scratch: Path) -> None:
    for case in json.loads((VECTORS / "changes.json").read_text()):
        d = copy_of("clean", scratch)
        path = d / case["file"]
        if "find" in case:
            before, after = path.read_bytes(), case["put"].encode()
            path.write_bytes(before.replace(case["find"].encode(), after, 1))
            expect(f"{case['name']}: the text is there", case["find"].encode() in before)
        else:
            path.unlink()
        check(case["name"], case["exit"], verify(d, case.get("auditor_key", False)), case.get("seq"))


def compressed(scratch: Path) -> None:
    one, two = "audit.jsonl-20261121", "audit.jsonl-20261122"

    def case(name: str, code: int, packed: bytes, keep: bool = False) -> None:
        d = copy_of("clean", scratch)
        (d / "packed").write_bytes(packed)
        if not keep:
            (d / two).unlink()
        check(name, code, verify(d, True))

    data = (VECTORS / "clean" / two).read_bytes()
    small = gzip.compress(data)
    case("gzip", 0, small)
    case("gzip, beside the plain file", 0, small, True)
    case("half of a gzip beside the plain file", 0, small[:-300], True)
    case("half of a gzip", 4, small[:-300])
    case("two gzip members", 4, gzip.compress(data[:1000]) + gzip.compress(data[1000:]))
    case("something after a gzip member", 4, small + b"\0")
    if shutil.which("zstd"):
        zstd = [subprocess.run(["zstd", "-qc"], input=part, capture_output=True, check=True).stdout for part in (data, data[:1000], data[1000:])]
        case("zstd", 0, zstd[0])
        case("zstd, beside the plain file", 0, zstd[0], True)
        case("zstd, cut", 4, zstd[0][:-5])
        case("two zstd frames", 4, zstd[1] + zstd[2])
    else:
        print("note: there is no zstd command here, so its cases are left out")
    d = copy_of("clean", scratch)
    (d / two).write_bytes(gzip.compress((d / two).read_bytes()))
    (d / one).rename(d / "zzz")
    check("names and order of files mean nothing", 0, verify(d, True))


def anchors() -> None:
    clean, other = VECTORS / "clean", VECTORS / "crashed"
    note = (clean / "checkpoint").read_text()
    lines = (clean / "audit.jsonl").read_bytes().splitlines()
    log_id = json.loads(lines[0])["log_id"]

    def receipt(seq: int, of: str, log: str = log_id) -> str:
        return f'{{"auditlog_receipt":1,"log_id":"{log}","seq":{seq},"mac":"{of}","received":"2026-11-21T00:00:00.000000000Z"}}\n'

    good = json.loads(lines[1])["mac"]
    check("the log's checkpoint", 0, verify(clean, anchors=note), anchored=16)
    journal = "\n".join(("Nov 21 h auditlogd[1]: " if i == 0 else "    ") + line for i, line in enumerate(note.split("\n")))
    check("as journalctl prints it", 0, verify(clean, anchors=journal), anchored=16)
    check("another size", 6, verify(clean, anchors=note.replace("\n16\n", "\n15\n")))
    check("a checkpoint of another log", 6, verify(clean, anchors=(other / "checkpoint").read_bytes()))
    check("a receipt", 0, verify(clean, anchors=receipt(16, good)))
    check("a receipt with another mac", 4, verify(clean, anchors=receipt(17, good)), 17)
    check("a receipt beyond the end", 4, verify(clean, anchors=receipt(18, good)))
    check("a receipt of another log", 6, verify(clean, anchors=receipt(16, good, "00" * 16)))
    for bad in ("", "hello\n", receipt(16, good).replace(":1,", ":2,"), note[:note.index("\u2014")], note[:-9], receipt(16, good)[:-9]):
        try:
            read_anchors(bad.encode())
            expect("no anchor", False, bad)
        except notes.Unusable:
            expect("no anchor", True)


def path_of(leaves: list[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = leaves[:k], leaves[k:]
    return path_of(left, index) + [root_of(right)] if index < k else path_of(right, index - k) + [root_of(left)]


def root_of(leaves: list[bytes]) -> bytes:
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root()


def steps(name: str) -> None:
    d = VECTORS / name
    all_steps: dict[str, Any] = json.loads((d / "steps.json").read_text())
    leaves, roots, tree = list[bytes](), [b""], Tree()
    log_id = bytes.fromhex(json.loads((d / "audit.jsonl").read_bytes().split(b"\n")[0])["log_id"])
    keys = Keys(read_key(str(d / "auditor.key")), log_id)
    raw = b""
    for step in all_steps["leaves"]:
        raw = (d / step["file"]).read_bytes()[step["offset"]:step["offset"] + step["length"]].rstrip(b"\n")
        if keys.epoch != step["epoch"]:
            keys.begin(step["epoch"])
        leaves.append(leaf_hash(raw))
        tree.add(leaves[-1])
        roots.append(tree.root())
        seen = {"secret": keys.secret, "key": keys.key, "mac": mac(keys.key, raw[:-74]), "leaf_hash": leaves[-1], "root_with_it": roots[-1]}
        keys.ratchet()
        expect(f"{name}, step {step['seq']}", all(step[k] == value.hex() for k, value in seen.items()), step)
    for p in all_steps["inclusion"]:
        path = [bytes.fromhex(h) for h in p["path"]]
        i, size = p["index"], p["size"]
        expect(f"{name}, inclusion of {i} in {size}", included(i, size, leaves[i], path, roots[size]) and path == path_of(leaves[:size], i))
        expect(f"{name}, false inclusion of {i} in {size}", not included(i, size, leaves[i], [*path, bytes(32)], roots[size]))
    for p in all_steps["consistency"]:
        path = [bytes.fromhex(h) for h in p["path"]]
        expect(f"{name}, consistency of {p['old']} with {p['new']}", consistent(p["old"], p["new"], roots[p["old"]], roots[p["new"]], path))
        expect(f"{name}, false consistency", not consistent(p["old"], p["new"], roots[p["old"]], roots[p["new"]], [*path, bytes(32)]))
    proofs(d, leaves)


def proofs(d: Path, leaves: list[bytes]) -> None:
    """A file as the page describes it, made from the log, and edits of it."""
    key, note = VerifierKey.parse((d / "checkpoint.vkey").read_text().strip()), (d / "checkpoint").read_bytes()
    size = Note(note.decode().split("\n\n")[0] + "\n", []).size
    first = sorted(d.glob("audit.jsonl*"))[-1 if d.name == "crashed" else 1].read_bytes().split(b"\n")[3]
    index = json.loads(first)["seq"]
    b64 = [base64.b64encode(p) for p in path_of(leaves[:size], index)]
    whole = b"\n".join([b"c2sp.org/tlog-proof@v1", b"extra " + base64.b64encode(first), b"index %d" % index, *b64, b"", note])
    cut, signature = whole[:whole.rindex("\u2014".encode())], whole.rindex(b" ") + 12
    flipped = whole[:signature] + (b"A" if whole[signature:signature + 1] != b"A" else b"B") + whole[signature + 1:]
    cases = [("whole", 0, whole), ("another index", 4, whole.replace(b"index %d" % index, b"index %d" % (index + 1))),
             ("a hash less", 4, whole.replace(b64[0] + b"\n", b"")), ("a false signature", 4, flipped), ("no signature", 6, cut),
             ("no extra", 6, whole.replace(b"extra " + base64.b64encode(first) + b"\n", b"")), ("another form", 6, whole.replace(b"@v1", b"@v2"))]
    for name, code, raw in cases:
        found = check_proof(raw, key)
        expect(f"{d.name}, proof, {name}", found[0] == code, found)


def others() -> None:
    """The vectors of transparency-dev/merkle."""
    def raw(text: str | None) -> bytes:
        return base64.b64decode(text or "")

    for line in (VECTORS / "transparency-dev" / "inclusion.jsonl").read_text().splitlines():
        p = json.loads(line)
        good = included(p["leafIdx"], p["treeSize"], raw(p["leafHash"]), [raw(h) for h in p["proof"] or []], raw(p["root"]))
        expect(f"inclusion, {p['desc']}", good != p["wantErr"], p)
    for line in (VECTORS / "transparency-dev" / "consistency.jsonl").read_text().splitlines():
        p = json.loads(line)
        good = consistent(p["size1"], p["size2"], raw(p["root1"]), raw(p["root2"]), [raw(h) for h in p["proof"] or []])
        expect(f"consistency, {p['desc']}", good != p["wantErr"], p)


def main() -> int:
    check("clean", 0, verify(VECTORS / "clean", True))
    check("crashed", 5, verify(VECTORS / "crashed", True))
    with tempfile.TemporaryDirectory() as scratch:
        changes(Path(scratch) / "log")
        compressed(Path(scratch) / "log")
    anchors()
    steps("clean")
    steps("crashed")
    others()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
