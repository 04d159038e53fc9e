#!/usr/bin/env python3
"""Holds the verifier against tests/vectors: the logs, every edit of them, every step on the way, and all proofs.

Prints a line for each failure, and ends with `N passed, M failed`.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import ed25519
import notes
from ledger import Given, Verification
from notes import Note, VerifierKey, check_proof, read_anchors
from tree import Keys, Tree, consistent, included, leaf_hash, levels, mac, node_hash
from verify import read_key, read_vkey, report

VECTORS = Path(__file__).resolve().parent.parent / "vectors"
passed = failed = 0


def expect(name: str, good: bool, seen: object = "") -> None:
    global passed, failed
    passed, failed = passed + good, failed + (not good)
    if not good:
        print(f"FAILED: {name}: {seen}")


def verify(directory: Path, key: bool = False, anchors: str | bytes = "", *, vkey: str = "", witness: str = "",
           state: Path | None = None) -> Verification:
    raw = anchors.encode() if isinstance(anchors, str) else anchors
    given = Given(state or directory, read_key(str(directory / "genesis.pub")), read_key(str(directory / "auditor.key")) if key else None)
    given.anchors = read_anchors(raw) if raw else given.anchors
    given.vkey = read_vkey(vkey, 1) if vkey else None
    given.witnesses = [read_vkey(witness, 4)] if witness else []
    return Verification(directory, given)


def check(name: str, code: int, v: Verification, seq: int | None = None, anchored: int = 0) -> None:
    found, finding = report(v), v.verdict()
    expect(name, found[0] == code and v.anchored == anchored and (seq is None or (finding is not None and finding.seq == seq)), found)


def copy_of(name: str, into: Path) -> Path:
    shutil.rmtree(into, ignore_errors=True)
    return shutil.copytree(VECTORS / name, into)


def changes(scratch: Path) -> None:
    for case in json.loads((VECTORS / "changes.json").read_text()):
        d = copy_of(case.get("log", "clean"), scratch)
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
    check("many signatures", 0, verify(clean, anchors=note + "\u2014 w.example AAAAAAAA\n" * 99), anchored=16)
    torn = receipt(17, good).replace(":1,", ":2,")
    for name, text in (("a cut signature", note[:-8] + "\n" + note), ("no signature line", note[:note.index("\u2014")] + note),
                       ("too many signatures", note + "\u2014 w.example AAAAAAAA\n" * 101 + note),
                       ("a cut text", note[:70] + "\n" + note), ("a receipt of another form", torn + note)):
        check(f"{name}, left out", 0, v := verify(clean, anchors=text), anchored=16)
        expect(f"{name}, said", bool(v.notes) == (name != "a cut text"), v.notes)
    check("words before each line: no checkpoint", 0, verify(clean, anchors=note.replace("\n16\n", "\nh: 15\n") + receipt(16, good)))
    check("more lines under the root: no checkpoint", 0, verify(clean, anchors=note.replace("\n\n", "\nmore\n\n") + receipt(16, good)))
    for bad in ("", "hello\n", torn, receipt(16, good).replace(":1,", ":2,"), note[:note.index("\u2014")], note[:-8], receipt(16, good)[:-9]):
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


def public_key(seed: bytes) -> bytes:
    return sign(seed, b"")[0]


def sign(seed: bytes, message: bytes) -> tuple[bytes, bytes]:
    """(public key, signature), RFC 8032, 5.1.6. For keys that are no secret."""
    def times(n: int) -> bytes:
        assert ed25519.BASE
        q, p = ed25519.NEUTRAL, ed25519.BASE
        while n:
            q, p, n = ed25519.add(q, p) if n & 1 else q, ed25519.add(p, p), n >> 1
        inverse = pow(q[2], ed25519.P - 2, ed25519.P)
        return (q[1] * inverse % ed25519.P | (q[0] * inverse % ed25519.P & 1) << 255).to_bytes(32, "little")

    def number(*parts: bytes) -> int:
        return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ed25519.L

    h = hashlib.sha512(seed).digest()
    a = int.from_bytes(h[:32], "little") & (1 << 254) - 8 | 1 << 254
    public, r = times(a), number(h[32:], message)
    big_r = times(r)
    return public, big_r + ((r + number(big_r, public, message) * a) % ed25519.L).to_bytes(32, "little")


def vkey_of(name: str, kind: int, public: bytes) -> str:
    key_id = hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).hexdigest()[:8]
    return f"{name}+{key_id}+{base64.b64encode(bytes([kind]) + public).decode()}"


def signature(vkey: str, seed: bytes, text: str) -> str:
    key, stamp = VerifierKey.parse(vkey), b""
    message = text.encode()
    if key.kind == 4:
        stamp, message = (1_800_000_000).to_bytes(8, "big"), b"cosignature/v1\ntime 1800000000\n" + message
    blob = key.key_id + stamp + sign(seed, message)[1]
    return f"\u2014 {key.name} {base64.b64encode(blob).decode()}\n"


class Writer:
    """Goes on with a copy of the clean log: its keys are published."""

    def __init__(self, d: Path) -> None:
        self.d, self.v = d, verify(d, True)
        state = (d / "ledger.state").read_bytes()
        at = max((i for i in (0, 4096) if state[i:i + 8] == b"ALSTATE1"), key=lambda i: state[i + 8:i + 16])
        self.seed, self.first, self.prev = state[at + 88:at + 120], self.v.epoch_first, self.v.prev
        assert self.v.last and self.v.last.next_pub == public_key(self.seed).hex() and self.v.keys
        self.boot, self.boottime, self.keys, self.epoch = self.v.last.boot_id.strip('"'), self.v.last.boottime_ns, self.v.keys, self.v.epoch
        self.time = 19 * 60
        found = [raw for path in sorted(d.glob("audit.jsonl*")) for raw in path.read_bytes().splitlines() if raw.startswith(b'{"seq":')]
        self.leaves = [leaf_hash(raw) for raw in sorted(found, key=lambda raw: json.loads(raw)["seq"])]

    def start(self) -> bytes:
        clock = f"2026-11-{21 + self.time // 86400}T{self.time // 3600 % 24:02}:{self.time // 60 % 60:02}:{self.time % 60:02}.000000000Z"
        return f'{{"seq":{self.v.tree.size},"ts":"{clock}","id":"x",'.encode()

    def line(self, rest: bytes, *files: str) -> bytes:
        head = self.start() + rest
        raw = head + b',"mac":"' + mac(self.keys.key, head).hex().encode() + b'"}'
        self.keys.ratchet()
        for name in files or ("audit.jsonl",):
            with (self.d / name).open("ab") as f:
                f.write(raw + b"\n")
        self.v.tree.add(leaf_hash(raw))
        self.leaves.append(leaf_hash(raw))
        return raw

    def record(self, kind: str, data: str) -> None:
        event = f'{{"event_type":"auditlogd.{kind}","priority":"notice","source":"auditlogd","action":"x","data":{data}}}'
        self.line(f'"peer":{{}},"event":{event}'.encode())

    def letting_go(self, first: int, end: int, keep: int = 60) -> dict[str, Any]:
        """The data of a record of pruning."""
        tree, subtrees, at = Tree(), list[str](), first
        for leaf in self.leaves[:end]:
            tree.add(leaf)
        for level in levels(first, end):
            part = Tree()
            for leaf in self.leaves[at:at + (1 << level)]:
                part.add(leaf)
            subtrees.append(part.root().hex())
            at += 1 << level
        return {"first_seq": first, "through_seq": end - 1, "root": tree.root().hex(), "subtrees": subtrees, "policy": "x", "keep_seconds": keep}

    def segment(self, number: int = 9, keep: str = "") -> None:
        """Begins a new segment. Those before it are deleted, or the last one gets the name `keep`."""
        if keep:
            (self.d / "audit.jsonl").rename(self.d / keep)
        for path in [] if keep else self.d.glob("audit.jsonl*"):
            path.unlink()
        t = self.v.tree
        frontier = ",".join(f'"{h.hex()}"' for h in t.frontier)
        header = (f'{{"auditlog":1,"log_id":"{self.v.log_id}","host":"h","segment":{number},"first_seq":{t.size},"frontier":[{frontier}],'
                  f'"opened":"2026-11-21T00:20:00.000000000Z"}}').encode()
        (self.d / "audit.jsonl").write_bytes(header + b"\n")
        self.v.header_hash = hashlib.sha256(header).hexdigest()

    def seal(self, reason: str, *files: str) -> None:
        t, following = self.v.tree, hashlib.sha256(self.seed).digest()
        text = (f'"seal":{{"epoch":{self.epoch},"first_seq":{self.first},"size":{t.size},"root":"{t.root().hex()}","prev":"{self.prev}",'
                f'"header":"{self.v.header_hash}","next_pub":"{public_key(following).hex()}","boottime_ns":{self.boottime},'
                f'"boot_id":"{self.boot}","reason":"{reason}"')
        message = b"auditlog/v1/seal\n" + bytes.fromhex(self.v.log_id) + self.start() + text.encode()
        sig = sign(self.seed, message)[1]
        by_hand = reason in ("start", "recovered")
        if by_hand:
            self.keys.begin(self.epoch + 1)
        raw = self.line(f'{text},"sig":"{sig.hex()}"}}'.encode(), *files or ("audit.jsonl", "seals.jsonl"))
        if not by_hand:
            self.keys.begin(self.epoch + 1)
        self.epoch, self.first, self.prev, self.seed = self.epoch + 1, t.size, hashlib.sha256(raw).hexdigest(), following


def seals(scratch: Path) -> None:
    for code, *reasons in [(0, "time"), (0, "stop"), (4, "stop", "time"), (4, "stop", "stop"), (0, "stop", "start", "idle"),
                           (5, "stop", "recovered"), (4, "start"), (4, "created")]:
        w = Writer(copy_of("clean", scratch))
        for reason in reasons:
            w.seal(reason)
        check(f"seals with the reasons {reasons}", code, verify(w.d, True))
    for name, code, days, reasons in [("in a copy", 5, 0, ["time", "idle"]), ("with a stop", 4, 0, ["time", "stop"]),
                                      ("within 24 hours", 5, 1, ["time", "time"]), ("beyond 24 hours", 4, 2, ["time", "time"])]:
        w = Writer(copy_of("clean", scratch))
        for reason in reasons:
            w.seal(reason, "seals.jsonl")
            w.time += days * 86400 - (days == 2) * 86399
        check(f"seals.jsonl goes on, {name}", code, verify(w.d))
    w = Writer(copy_of("clean", scratch))
    w.seal("time", "seals.jsonl")
    state = scratch.with_name("state")
    state.mkdir()
    (w.d / "seals.jsonl").rename(state / "seals.jsonl")
    check("seals.jsonl goes on, and it is no copy", 4, verify(w.d, state=state))
    d = copy_of("clean", scratch)
    for name in ("audit.jsonl", "audit.jsonl-20261122", "seals.jsonl", "checkpoint"):
        (d / name).unlink()
    one = d / "audit.jsonl-20261121"
    one.write_bytes(b"".join(one.read_bytes().splitlines(True)[:2]))
    check("no seal", 6, verify(d))
    check("no seal, with the auditor key", 6, verify(d, True))
    one.write_bytes(one.read_bytes().replace(b'"auditlogd.log_created"', b'"auditlogd.log_creates"'))
    check("leaf 0 is another record", 4, verify(d), 0)
    d = copy_of("clean", scratch)
    (d / "auditor.key").write_bytes((VECTORS / "crashed" / "auditor.key").read_bytes())
    check("the auditor key of another log", 6, verify(d, True))
    d = copy_of("clean", scratch)
    one.write_bytes(one.read_bytes().replace(b'"mac":"c9b9', b'"mac":"c9b8', 1))
    check("the mac of leaf 0", 4, verify(d, True), 0)


def pruned(scratch: Path) -> None:
    def case(name: str, code: int, *reasons: str, through: int = 0, sealed: str = "time", key: bool = True, lost: str = "",
             anchors: str = "", vkey: str = "", anchored: int = 0) -> None:
        w = Writer(copy_of("clean", scratch))
        for reason in reasons:
            w.seal(reason)
        first = w.v.tree.size
        w.segment()
        w.time = 86400
        w.record("pruned", json.dumps(w.letting_go(0, first + through)))
        if sealed:
            w.seal(sealed)
        if lost:
            (w.d / lost).unlink()
        check(f"pruned, {name}", code, verify(w.d, key, anchors, vkey=vkey), anchored=anchored)

    clean = VECTORS / "clean"
    note, vkey = (clean / "checkpoint").read_text(), (clean / "checkpoint.vkey").read_text().strip()
    case("after a seal", 0, "rotate")
    case("without the auditor key", 0, "rotate", key=False)
    case("no seal after it", 0, "rotate", sealed="")
    case("no seal after it, without the auditor key", 4, "rotate", sealed="", key=False)
    case("after a start", 0, "stop", "start")
    case("inside of an epoch", 4)
    case("the record says less", 4, "rotate", through=-1)
    case("the record says more than there is", 4, "rotate", through=1)
    case("without seals.jsonl", 6, "rotate", lost="seals.jsonl")
    case("an anchor before it", 6, "rotate", anchors=note)
    case("an anchor before it, with its key", 0, "rotate", anchors=note, vkey=vkey)


def holes(scratch: Path) -> None:
    """A log of three segments and two more, of which those in the middle are deleted."""
    def case(name: str, code: int, *records: tuple[int, int], gone: str = "ab", sealed: bool = True, key: bool = True, lost: str = "",
             keep: int = 60, receipt: bool = False, forge: dict[str, Any] | None = None) -> None:
        w = Writer(copy_of("clean", scratch))
        begins = []
        for number, (letter, reason) in enumerate([("x", "rotate"), ("a", "rotate"), ("b", "rotate"), ("c", "rotate")], 9):
            w.record("x", "{}")
            w.seal("time")
            w.record("x", "{}")
            w.seal(reason)
            begins.append(w.v.tree.size)
            w.segment(number, f"audit.jsonl-{letter}")
        w.time = 86400
        for first, after in records:
            data = w.letting_go(begins[first], begins[after], keep)
            w.record("pruned", json.dumps(data | {k: change(data[k]) for k, change in (forge or {}).items()}))
        if sealed:
            w.seal("time")
        for letter in gone:
            (w.d / f"audit.jsonl-{letter}").unlink()
        if lost:
            (w.d / lost).unlink()
        anchor = ""
        if receipt:
            seq = begins[0] + 1
            anchor = f'{{"auditlog_receipt":1,"log_id":"{w.v.log_id}","seq":{seq},"mac":"{"00" * 32}","received":"2026-11-21T00:00:00.000000000Z"}}\n'
        check(f"a hole, {name}", code, verify(w.d, key, anchor))

    case("with its record", 0, (0, 2))
    case("without the auditor key", 0, (0, 2), key=False)
    case("two with theirs", 0, (0, 1), (2, 3), gone="ac")
    case("smaller than its record", 0, (0, 3), gone="b")
    case("without a record", 4)
    case("two records of a part each", 4, (0, 1), (1, 2))
    case("a record of a part", 4, (0, 1))
    case("a record that begins too late", 4, (1, 3))
    case("no seal after it", 0, (0, 2), sealed=False)
    case("no seal after it, without the auditor key", 4, (0, 2), sealed=False, key=False)
    case("too young", 4, (0, 2), keep=86400)
    case("without seals.jsonl", 6, (0, 2), lost="seals.jsonl")
    case("without seals.jsonl and a record", 4, lost="seals.jsonl")
    case("a receipt in it", 0, (0, 2), receipt=True)
    case("another subtree", 4, (0, 2), forge={"subtrees": lambda h: ["00" * 32, *h[1:]]})
    case("the last subtree is another", 4, (0, 2), forge={"subtrees": lambda h: [*h[:-1], "00" * 32]})
    case("a subtree is missing", 4, (0, 2), forge={"subtrees": lambda h: h[1:]})
    case("a subtree too many", 4, (0, 2), forge={"subtrees": lambda h: [*h, h[0]]})
    case("subtrees in another order", 4, (0, 2), forge={"subtrees": lambda h: h[::-1]})
    case("a subtree that is no hash", 4, (0, 2), forge={"subtrees": lambda h: ["00", *h[1:]]})
    case("another root", 4, (0, 2), forge={"root": lambda h: "00" * 32})
    case("subtrees that are none", 4, (0, 2), forge={"subtrees": lambda h: [1]})
    case("another subtree of what is there", 4, (0, 2), gone="", forge={"subtrees": lambda h: ["00" * 32, *h[1:]]})


def records(scratch: Path) -> None:
    data = Writer(copy_of("clean", scratch)).letting_go(0, 4)
    whole = json.dumps(data, separators=(",", ":"))
    unknown = json.dumps(data | {"first_seq": 2, "subtrees": ["00" * 32]}, separators=(",", ":"))
    for kind, code, data in [
            ("recovered", 5, '{"damage":"x"}'), ("recovered", 0, '{"damage":null}'), ("recovered", 0, '{"damage":1}'), ("recovered", 0, "{}"),
            ("recovered", 5, '{"damage":"x","lines":18446744073709551615,"epoch":null}'), ("recovered", 5, '{"damage":"x","rebooted":"no"}'),
            ("recovered", 0, '{"damage":"x","lines":18446744073709551616}'), ("recovered", 5, '{"damage":"x","epoch":-1}'),
            ("recovered", 5, '{"damage":"x","cut_bytes":20}'), ("reopened", 5, '{"damage":"x","segment":3}'), ("recovers", 0, '{"damage":"x"}'),
            ("reopened", 5, '{"damage":"x","reason":1}'), ("reopened", 0, '"damage"'), ("pruned", 0, whole),
            ("pruned", 4, whole.replace('"x"', "null")), ("pruned", 4, whole.replace('"subtrees"', '"subtree"')), ("pruned", 0, unknown),
            ("pruned", 4, unknown.replace(":2,", ":1,")), ("pruned", 4, whole.replace('"root":"', '"root":"00')), ("pruned", 0, whole.replace('"x"', "1")), ("pruned", 4, whole.replace(":3,", ":18,")),
            ("pruned", 4, whole.replace(":3,", ":8,")), ("pruned", 4, whole.replace(":60", ":86400")), ("pruned", 4, whole.replace('"first_seq":0,', "")),
            ("pruned", 0, whole.replace(":0,", ":3,")), ("pruned", 4, whole.replace(":0,", ":4,"))]:
        w = Writer(copy_of("clean", scratch))
        w.record(kind, data)
        check(f"{kind} {data}", code, verify(w.d, True))
    for code, data in [(0, '{"step_ns":-9223372036854775808,"expected":1}'), (4, '{"step_ns":-9223372036854775809}'), (4, '{"step_ns":"1"}')]:
        w = Writer(copy_of("clean", scratch))
        w.time = 0
        w.record("clock_step", data)
        check(f"clock_step {data}", code, verify(w.d, True))


def checkpoints(scratch: Path) -> None:
    d = copy_of("clean", scratch)
    text, seed, other = (d / "checkpoint").read_text().split("\n\n")[0] + "\n", read_key(str(d / "checkpoint.key")), bytes(32)
    vkey = (d / "checkpoint.vkey").read_text().strip()
    origin = vkey.split("+")[0]
    second, witness = vkey_of(origin, 1, public_key(other)), vkey_of("w.example", 4, public_key(other))

    def note(size: int, root: bytes, *also: str, own: bool = True) -> str:
        made = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
        return made + "\n" + (signature(vkey, seed, made) if own else "") + "".join(signature(k, other, made) for k in also)

    root = base64.b64decode(text.split("\n")[2])
    expect("it is signed like the log's own", note(16, root) == (d / "checkpoint").read_text())
    check("of size 0: anchors nothing", 0, verify(d, anchors=note(0, hashlib.sha256().digest())))
    check("of size 0 with another root", 4, verify(d, anchors=note(0, root)))
    check("a given key that leaf 0 names too", 0, verify(d, anchors=note(16, root), vkey=vkey), anchored=16)
    check("a given key that leaf 0 contradicts", 6, verify(d, anchors=note(16, root), vkey=second))
    check("the same, signed by both", 6, verify(d, anchors=note(16, root, second), vkey=second))
    for name, code, anchored, file, by in [
            ("cosigned", 0, 16, note(16, root, witness), witness), ("cosigned, nobody asks", 0, 0, note(16, root, witness), ""),
            ("cosigned, and not signed", 6, 0, note(16, root, witness, own=False), witness), ("not cosigned", 0, 0, note(16, root), witness),
            ("another root", 4, 0, note(15, root), ""), ("another root, not signed", 0, 0, note(15, root, witness, own=False), ""),
            ("cosigned, beyond the end", 5, 0, note(99, root, witness), witness), ("beyond the end", 5, 0, note(99, root), witness)]:
        (d / "checkpoint.cosigned").write_text(file)
        check(f"beside the log, {name}", code, verify(d, witness=by), anchored=anchored)
    state = scratch.with_name("beside")
    state.mkdir()
    for name, by in (("", ""), ("cosigned, ", witness)):
        (state / "checkpoint").write_text(note(99, root, witness))
        check(f"beside the log, {name}beyond the end, and it is no copy", 4, verify(d, witness=by, state=state))
    for kind, code in (("--witness", 2), ("--anchor", 3)):
        (d / "x").write_text(vkey)
        done = subprocess.run([sys.executable, str(Path(__file__).with_name("verify.py")), str(d), kind, str(d / "x")], capture_output=True)
        expect(f"{kind} with a key of checkpoints", done.returncode == code, done)
    key = VerifierKey.parse(vkey)
    for name, code, leaf, under in [("a leaf that is no line", 4, b"hello", origin), ("another origin", 4, b"hello", "h.example" + origin[15:])]:
        made = f"{under}\n1\n{base64.b64encode(leaf_hash(leaf)).decode()}\n"
        raw = f"c2sp.org/tlog-proof@v1\nextra {base64.b64encode(leaf).decode()}\nindex 0\n\n{made}\n{signature(vkey, seed, made)}"
        found = check_proof(raw.encode(), key)
        expect(f"proof, {name}", found[0] == code, found)


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
    check("pruned", 0, verify(VECTORS / "pruned", True))
    with tempfile.TemporaryDirectory() as scratch:
        changes(Path(scratch) / "log")
        compressed(Path(scratch) / "log")
        seals(Path(scratch) / "log")
        pruned(Path(scratch) / "log")
        holes(Path(scratch) / "log")
        records(Path(scratch) / "log")
        checkpoints(Path(scratch) / "log")
    anchors()
    steps("clean")
    steps("crashed")
    others()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
