"""Checkpoints, receipts and proofs: texts that can be checked without the log, or against it.

Written from docs/ledger-format.md alone ("Checkpoint", "Anchors", "Proof files").
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import ed25519
from lines import HEX32, HEX64, INT, TIME, integer, nanoseconds, parse_line
from tree import included, leaf_hash

DASH = "\u2014 "
ORIGIN = re.compile(rf".*/auditlog/{HEX32}")
RECEIPT = {"auditlog_receipt": "1", "log_id": HEX32, "seq": INT, "mac": HEX64, "received": TIME}
MAX_SIGNATURES = 101  # the log's, and up to 100 more
BLANKS = " \t\r"


class Unusable(Exception):
    """The file of a key or an anchor cannot be used: exit code 3."""


class WrongKind(Exception):
    """A key that is for something else: wrong usage, exit code 2."""


def b64(text: str) -> bytes:
    value = base64.b64decode(text, validate=True)
    if base64.b64encode(value).decode() != text:
        raise ValueError("not the form of base64 that an encoder writes")
    return value


@dataclass
class VerifierKey:
    name: str
    key_id: bytes
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Of any type. Raises ValueError."""
        name, key_id, material = text.split("+", 2)
        raw = b64(material)
        if len(raw) != 33 or not name:
            raise ValueError("not a key of 32 bytes")
        if hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8] != key_id:
            raise ValueError("its key id is not that of its name and key")
        return cls(name, bytes.fromhex(key_id), raw[0], raw[1:])


@dataclass
class Note:
    text: str  # what is signed
    signatures: list[tuple[str, bytes]]
    origin: str = ""
    log_id: str = ""
    size: int = 0
    root: bytes = b""

    def __post_init__(self) -> None:
        """Raises ValueError if the text is no checkpoint."""
        if len(self.signatures) > MAX_SIGNATURES:
            raise ValueError("it has too many signatures")
        self.origin, size, root = self.text.split("\n")[:3]  # more lines may stand below, in a proof
        if not re.fullmatch(INT, size):
            raise ValueError("not a size")
        self.size, self.root = integer(size), b64(root)
        if len(self.root) != 32:
            raise ValueError("not a root")
        if m := ORIGIN.fullmatch(self.origin):
            self.log_id = m[1]

    def signed_by(self, key: VerifierKey) -> bool | None:
        """None: it has no signature of this key."""
        own = [s[4:] for name, s in self.signatures if name == key.name and s[:4] == key.key_id]
        return all(self._valid(key, s) for s in own) if own else None

    def _valid(self, key: VerifierKey, signature: bytes) -> bool:
        message = self.text.encode()
        if key.kind == 4:
            at = int.from_bytes(signature[:8], "big")
            message, signature = f"cosignature/v1\ntime {at}\n".encode() + message, signature[8:]
        return ed25519.verify(key.public, message, signature)


def signature_line(line: str) -> tuple[str, bytes]:
    dash, name, blob = line.split(" ")
    signature = b64(blob)
    if dash + " " != DASH or not name or len(signature) < 5:
        raise ValueError("not a signature line")
    return name, signature


@dataclass
class Anchors:
    notes: list[Note]
    receipts: list[tuple[str, int, str]]  # log_id, seq, mac
    damaged: list[str] = field(default_factory=list)  # what was left out


def receipt(line: str) -> tuple[str, int, str]:
    """Of any order and spacing. Raises ValueError."""
    pairs = json.loads(line, object_pairs_hook=list, parse_int=lambda digits: (digits,))
    values = {k: v[0] if isinstance(v, tuple) else f'"{v}"' for k, v in pairs}
    for name, form in RECEIPT.items():
        if not re.fullmatch(form if form in ("1", INT) else f'"{form}"', values.get(name, "")):
            raise ValueError(f"it has no right {name}")
    if len(pairs) != len(RECEIPT):
        raise ValueError("it has other members")
    nanoseconds(values["received"][1:-1])
    return values["log_id"][1:-1], integer(values["seq"]), values["mac"][1:-1]


def read_anchors(raw: bytes, strict: bool = True) -> Anchors:
    """Finds checkpoints and receipts in any text; leaves out what is damaged. Raises Unusable if `strict` and there are none."""
    found = Anchors([], [])
    lines = [line.strip(BLANKS) for line in raw.decode("utf-8", "replace").split("\n")]
    at = 0
    while at < len(lines):
        line, at = lines[at], at + 1
        if line.startswith("{") and '"auditlog_receipt"' in line:
            try:
                found.receipts.append(receipt(line))
            except ValueError as e:
                if at < len(lines):
                    found.damaged.append(f"line {at} is no receipt: {e}")
        elif ORIGIN.fullmatch(line):
            at = read_note(lines, at, found)
    if strict and not (found.notes or found.receipts):
        raise Unusable("; ".join(["there is neither a checkpoint nor a receipt in it", *found.damaged]))
    return found


def read_note(lines: list[str], at: int, found: Anchors) -> int:
    """The checkpoint whose origin is just before `at`, if it is one; gives the place after it."""
    text = [lines[at - 1].split()[-1], *lines[at:at + 2]]
    signatures = []
    try:
        note = Note("".join(line + "\n" for line in text), [])
    except ValueError:
        return at
    if any(lines[at + 2:at + 3]):
        return at
    first = at = at + 3
    try:
        while at < len(lines) and lines[at].startswith(DASH.strip()):
            signatures.append(signature_line(lines[at]))
            at += 1
        if at == first:
            raise ValueError("it has no signature")
        found.notes.append(Note(note.text, signatures))
    except ValueError as e:
        found.damaged.append(f"the checkpoint before line {at + 1} is cut: {e}")
    return at


def check_proof(raw: bytes, key: VerifierKey, witnesses: Iterable[VerifierKey] = ()) -> tuple[int, str]:
    """The exit code, and a sentence."""
    try:
        head, _, rest = raw.decode().partition("\n\n")
        first, *lines = head.split("\n")
        extra = b64(lines.pop(0)[6:]) if lines and lines[0].startswith("extra ") else None
        index = lines.pop(0) if lines else ""
        if first != "c2sp.org/tlog-proof@v1" or not re.fullmatch("index " + INT, index) or len(lines) > 64:
            raise ValueError("not the form of a proof")
        seq, path = integer(index[6:]), [b64(line) for line in lines]
        text, blank, signatures = rest.partition("\n\n")
        if any(len(p) != 32 for p in path) or not blank or signatures[-1:] != "\n":
            raise ValueError("not the form of a proof")
        note = Note(text + "\n", [signature_line(line) for line in signatures[:-1].split("\n")])
    except ValueError as e:
        return 6, f"UNVERIFIABLE: {e}"
    signed = note.signed_by(key)
    if signed is False or any(note.signed_by(w) is False for w in witnesses):
        return 4, "FALSE: a signature of the checkpoint is false"
    if signed and note.origin != key.name:
        return 4, f"FALSE: this key signed a checkpoint of {note.origin}"
    if not signed or any(note.signed_by(w) is None for w in witnesses):
        return 6, "UNVERIFIABLE: the checkpoint is not signed by this key"
    if extra is None:
        return 6, "UNVERIFIABLE: the proof does not hold the line"
    if not included(seq, note.size, leaf_hash(extra), path, note.root):
        return 4, f"FALSE: the line is not in the tree of the checkpoint, index {seq}, size {note.size}"
    try:
        line = parse_line(extra)
    except ValueError as e:
        return 4, f"FALSE: what is included is no line: {e}"
    if line.seq != seq:
        return 4, f"FALSE: the line says seq {line.seq}, the proof index {seq}"
    return 0, f"OK: the line is leaf {seq} of the log {note.origin}, of {note.size} leaves"
