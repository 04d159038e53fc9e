"""The verification of a log, in the steps of the page.

Written from docs/ledger-format.md alone ("Verifying").
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import ed25519
from lines import MAX_LINE, SIG_TAIL, TYPES, Line, Seal, parse_line
from notes import Anchors, Note, VerifierKey, read_anchors
from segments import Segment, lines, snapshot, without_copies
from tree import TAIL, Keys, Tree, leaf_hash, levels

OK, TAMPERED, INCOMPLETE, UNVERIFIABLE = 0, 4, 5, 6
DAY = 24 * 3600 * 10**9
HASH = re.compile("[0-9a-f]{64}")
BY_HAND = ("start", "recovered")  # seals that a start writes


@dataclass
class Finding:
    code: int
    text: str
    place: str
    seq: int


class Stop(Exception):
    """Ends the reading."""


@dataclass
class Given:
    state: Path
    genesis: bytes | None = None
    auditor_key: bytes | None = None
    anchors: Anchors = field(default_factory=lambda: Anchors([], []))
    vkey: VerifierKey | None = None
    witnesses: list[VerifierKey] = field(default_factory=list)


@dataclass
class Pruned:
    line: Line
    place: str
    sealed: bool  # a seal came after it


class Verification:
    def __init__(self, directory: Path, given: Given) -> None:
        self.given, self.findings = given, list[Finding]()
        self.notes = [f"a damaged anchor was left out: {text}" for text in given.anchors.damaged]
        self.is_copy = given.state.resolve() == directory.resolve()
        self.checkpoint_key, self.contradicted, self.other_keys = given.vkey, False, False
        self.tree = Tree()
        self.keys: Keys | None = None
        self.log_id, self.genesis, self.public = "", given.genesis, given.genesis
        self.epoch = self.epoch_first = self.first_seq = self.anchored = 0
        self.holes, self.segments = list[tuple[int, int, str]](), list[Segment]()
        self.prev, self.place, self.after_seal = "0" * 64, "", True
        self.last: Seal | None = None
        self.last_time: int | None = None
        self.seal_times, self.pruned, self.trees = list[tuple[int, int]](), list[Pruned](), dict[int, Tree]()
        try:
            self._read(directory)
            self._holes()
            self._rest_of_seals()
            self._checkpoints()
            self._pruned()
        except Stop:
            pass
        except OSError as e:
            self.find(UNVERIFIABLE, f"it cannot be read: {e}", self.place or str(directory))
        if self.other_keys:
            self.find(TAMPERED, "the mac is false", "seq 0", 0)
        if not given.genesis:
            self.find(UNVERIFIABLE, "no genesis key was given", str(directory), -1)

    def find(self, code: int, text: str, place: str, seq: int | None = None) -> None:
        self.findings.append(Finding(code, text, place, self.tree.size if seq is None else seq))

    def stop(self, text: str, place: str, code: int = TAMPERED) -> NoReturn:
        self.find(code, text, place)
        raise Stop

    def verdict(self) -> Finding | None:
        worst = [TAMPERED, UNVERIFIABLE, INCOMPLETE]
        return min(self.findings, key=lambda f: (worst.index(f.code), f.seq), default=None)

    # --- Steps 1 to 3 ---------------------------------------------------------------------------------------------

    def _read(self, directory: Path) -> None:
        state = self.given.state
        beside = [(name, state / name) for name in ("checkpoint", "checkpoint.cosigned")]
        self.beside = [(name, note) for name, path in beside if path.is_file()
                       for note in read_anchors(path.read_bytes(), strict=False).notes]
        self.wanted: dict[int, bytes] = {n.size: b"" for n in [*self.given.anchors.notes, *(n for _, n in self.beside)]}
        self.receipts: dict[int, set[str]] = {}
        self.copies = self._open_seals(state / "seals.jsonl")
        found = snapshot(directory)
        for error in found.errors:
            self.find(UNVERIFIABLE, "a file cannot be read", error)
        self.unreadable = "".join(f"; {text}" for text in found.unreadable)
        segments = self.segments = without_copies(found.segments)
        if not segments:
            copy = self._copy()
            sealed = copy is not None and bool(self._parse(copy, "seals.jsonl").seal)
            self.stop(f"there is no segment{self.unreadable}", str(directory), TAMPERED if sealed else UNVERIFIABLE)
        first = segments[0].header
        self.log_id, self.first_seq = first.log_id, first.first_seq
        for log_id, seq, mac in self.given.anchors.receipts:
            if log_id == self.log_id:
                self.receipts.setdefault(seq, set()).add(mac)
        if self.given.auditor_key:
            self.keys = Keys(self.given.auditor_key, bytes.fromhex(self.log_id))
        self._grew()
        for before, segment in zip([None, *segments], segments):
            self._segment(segment, before.header.number if before else -1, segment is segments[-1])
        if not self.last:
            self.find(UNVERIFIABLE, "there is no seal", self.place)

    def _open_seals(self, path: Path) -> Iterator[tuple[bytes, bool]] | None:
        if not path.is_file():
            return None
        file = path.open("rb", buffering=0)
        return lines(file, path.stat().st_size, MAX_LINE)

    def _copy(self) -> bytes | None:
        """The next line of seals.jsonl. An unfinished one is not there yet."""
        raw, whole = next(self.copies or iter(()), (None, False))
        if raw is not None and not whole and len(raw) > MAX_LINE:
            self.stop("the last line is too long", "seals.jsonl")
        return raw if whole else None

    def _parse(self, raw: bytes, place: str) -> Line:
        try:
            return parse_line(raw)
        except ValueError as e:
            self.stop(f"this is no line of a log: {e}", place)

    def _hole(self, after: Segment, place: str) -> None:
        """The leaves before this segment are gone; the seals of seals.jsonl lead across."""
        if not self.public:
            self.stop("without the genesis key nothing leads to the first segment", place, UNVERIFIABLE)
        first, end = self.tree.size, after.header.first_seq
        what = f"leaves {first} to {end - 1} are not there"
        if not self.after_seal:
            self.stop(f"{what}, and what is before does not end with a seal{self.unreadable}", place)
        while self.epoch_first < end:
            raw, at = self._copy(), f"seals.jsonl, epoch {self.epoch}"
            if raw is None:
                recorded = any(self._says_pruned(s, first, end) for s in self.segments if s.header.first_seq >= end)
                self.stop(f"{what}, and seals.jsonl does not lead across{self.unreadable}", place, UNVERIFIABLE if recorded else TAMPERED)
            line = self._parse(raw, at)
            if not line.seal or line.seq != line.seal.size:
                self.stop("this is no seal", at)
            if line.seq >= end:
                self.stop(f"{what}, and the segment begins inside of an epoch{self.unreadable}", place)
            self._seal(line, line.seal, raw, at)
            self.last_time = line.time
        if self.keys and self.last:
            self.keys.begin(self.epoch)
            if self.last.reason in BY_HAND:
                self.keys.ratchet()
        self._keep_tree()
        self.tree = Tree(end, list(after.header.frontier))
        if len(self.tree.frontier) != end.bit_count():
            self.stop("the header's frontier has not one root for each bit of first_seq", place)
        self.holes.append((first, end, place))
        self._grew()

    def _says_pruned(self, segment: Segment, first: int, end: int) -> bool:
        for raw, whole in lines(segment.file, segment.length, MAX_LINE):
            if whole and b'"auditlogd.pruned"' in raw:
                try:
                    line = parse_line(raw)
                except ValueError:
                    continue
                if line.record == "pruned" and self._covers(line, first, end):
                    return True
        return False

    @staticmethod
    def _covers(record: Line, first: int, end: int) -> bool:
        begin, through = record.data.get("first_seq"), record.data.get("through_seq")
        return begin is not None and through is not None and begin <= first and through + 1 >= end

    def _segment(self, s: Segment, number: int, newest: bool) -> None:
        h, place = s.header, f"{s.name}, line 1, seq {self.tree.size}"
        self.place = place
        if h.log_id != self.log_id:
            self.stop("a segment of another log", place)
        if h.number <= number or (h.number and not h.first_seq and number < 0):
            self.stop(f"segment {h.number} does not belong here", place)
        if h.first_seq > self.tree.size:
            self._hole(s, place)
        if h.first_seq != self.tree.size or h.frontier != self.tree.frontier:
            self.stop(f"the segment begins at seq {h.first_seq}, what is before it ends before seq {self.tree.size}{self.unreadable}"
                      if h.first_seq != self.tree.size else "the header's frontier is not that of the lines before", place)
        self.begins_with_seal = not self.after_seal
        if self.begins_with_seal:
            self.find(INCOMPLETE, "the segment before does not end with a seal", place)
        self._keep_tree()
        self.header_hash = hashlib.sha256(h.raw).hexdigest()
        reader = lines(s.file, s.length, MAX_LINE)
        next(reader)
        for n, (raw, whole) in enumerate(reader, 2):
            self.place = f"{s.name}, line {n}, seq {self.tree.size}"
            if whole:
                self._line(raw)
            elif not newest or s.compressed or len(raw) > MAX_LINE:
                self.stop(s.defect or "the segment ends with an unfinished line", self.place)
            else:
                self.notes.append("the last line is unfinished")
        if s.defect:
            self.stop(s.defect, s.name)

    # --- Steps 4 and 5 --------------------------------------------------------------------------------------------

    def _line(self, raw: bytes) -> None:
        line, place = self._parse(raw, self.place), self.place
        seal = line.seal
        by_hand = seal is not None and seal.reason in BY_HAND
        if line.seq != self.tree.size:
            self.stop(f"the line says seq {line.seq}", place)
        if self.begins_with_seal and not seal:
            self.stop("the segment begins neither after a seal nor with one", place)
        self.begins_with_seal = False
        if self.last_time is not None and line.time < self.last_time - 10**9 and line.record != "clock_step" and not by_hand:
            self.stop("the time goes back", place)
        if self.keys:
            if by_hand:
                self.keys.begin(self.epoch + 1)
            if not self.keys.check(raw):
                if line.seq or not self.given.genesis:
                    self.stop("the mac is false", place)
                self.keys, self.other_keys = None, True  # until seal 0 has shown whose fault it is
        if line.seq and self.other_keys:
            self._other_keys(line, raw)
        if seal:
            if seal.size != line.seq or seal.root != self.tree.root().hex():
                self.stop(f"the lines of epoch {self.epoch} are not those that its seal was made for", place)
            if seal.header != self.header_hash:
                self.stop("the segment's header is not the one that the seal was made for", place)
            self._seal(line, seal, raw, place)
            if (copy := self._copy()) is not None and copy != raw:
                self.stop(f"seals.jsonl has another line for epoch {seal.epoch}", place)
            if seal.reason == "recovered":
                self.find(INCOMPLETE, f"epoch {seal.epoch} ended with a crash", place)
            if self.keys and not by_hand:
                self.keys.begin(self.epoch)
            for record in self.pruned:
                record.sealed = True
        if line.record in ("recovered", "reopened") and line.data.get("damage") is not None:
            self.find(INCOMPLETE, f"the daemon found damage: {line.data['damage']!r}", place)
        elif line.record == "pruned":
            self.pruned.append(self._pruned_record(line, place))
        if line.seq == 0:
            self._leaf_0(line)
        for mac in self.receipts.get(line.seq, ()):
            if mac != line.mac:
                self.find(TAMPERED, "a receipt has another mac", place)
        self.tree.add(leaf_hash(raw))
        self.last_time, self.after_seal = line.time, seal is not None
        self._grew()

    def _other_keys(self, line: Line, raw: bytes) -> None:
        """The mac of leaf 0 was false, and this is the line after it."""
        s, self.other_keys = line.seal, False
        if not s or (s.epoch, s.size, s.root, s.prev, s.header) != (0, 1, self.tree.root().hex(), self.prev, self.header_hash) \
                or not self._signed(s, raw):
            self.find(TAMPERED, "the mac is false", "seq 0", 0)
            raise Stop
        self.find(UNVERIFIABLE, "the auditor key is that of another log", "seq 0", 0)
        raise Stop

    def _signed(self, seal: Seal, raw: bytes) -> bool:
        message = b"auditlog/v1/seal\n" + bytes.fromhex(self.log_id) + raw[:-TAIL - SIG_TAIL]
        return bool(self.public) and ed25519.verify(self.public, message, bytes.fromhex(seal.sig))

    def _genesis_of_log(self, line: Line) -> None:
        try:
            self.genesis = self.public = bytes.fromhex(line.data["genesis_pub"])
        except (KeyError, ValueError):
            pass

    def _keep_tree(self) -> None:
        self.trees[self.tree.size] = Tree(self.tree.size, list(self.tree.frontier))

    def _grew(self) -> None:
        if self.tree.size in self.wanted:
            self.wanted[self.tree.size] = self.tree.root()

    def _seal(self, line: Line, seal: Seal, raw: bytes, place: str) -> None:
        """What can be said of a seal without the lines before it."""
        if seal.epoch != self.epoch or seal.first_seq != self.epoch_first or seal.prev != self.prev:
            self.stop("the seal's epoch, first_seq or prev does not follow from the last seal", place)
        if not self._signed(seal, raw):
            self.stop(f"the signature of epoch {seal.epoch} is false", place)
        if self.last and seal.reason not in BY_HAND and \
                (seal.boot_id != self.last.boot_id or seal.boottime_ns < self.last.boottime_ns):
            self.stop("the seal is of another boot, or of an earlier time in it, than the last one", place)
        if self.last and seal.reason not in BY_HAND and self.last.reason == "stop":
            self.stop("after a stop the daemon went on without a start", place)
        if seal.reason == "created" and (seal.epoch, seal.size) != (0, 1):
            self.stop("a seal with reason created, but not right after leaf 0", place)
        if seal.reason == "start" and (not self.last or self.last.reason != "stop" or seal.size != seal.first_seq):
            self.stop("a seal with reason start, but not right after a stop", place)
        self.last, self.public, self.prev = seal, bytes.fromhex(seal.next_pub), hashlib.sha256(raw).hexdigest()
        self.epoch, self.epoch_first = seal.epoch + 1, seal.size + 1
        self.seal_times.append((seal.size, line.time))

    # --- Steps 6, 8 and 9 -----------------------------------------------------------------------------------------

    def _leaf_0(self, line: Line) -> None:
        if not self.genesis and line.record == "log_created":
            self._genesis_of_log(line)
        data = line.data
        if line.record != "log_created" or data.get("log_id") != self.log_id or data.get("format") != 1 \
                or not self.genesis or data.get("genesis_pub") != self.genesis.hex():
            self.stop("leaf 0 is not the record of this log and this genesis key", "seq 0")
        try:
            key = VerifierKey.parse(data.get("checkpoint_vkey") or "")
        except ValueError:
            return
        if key.kind == 1:
            self.contradicted = self.given.vkey is not None and self.given.vkey != key
            self.checkpoint_key = key

    def _rest_of_seals(self) -> None:
        """Step 7: what seals.jsonl knows and the segments do not."""
        missing = self.epoch
        if (raw := self._copy()) is None:
            return
        if self.is_copy:
            try:
                self._copied_later(raw)
                return
            except Stop:  # has found why not
                pass
        self.find(TAMPERED, f"seals.jsonl goes on with epoch {missing}, the segments end before it", self.place)

    def _copied_later(self, raw: bytes | None) -> None:
        missing, times, end, reason = self.epoch, list[int](), self.tree.size, ""
        while raw is not None:
            place = f"seals.jsonl, epoch {self.epoch}"
            line = self._parse(raw, place)
            seal = line.seal
            if not seal or seal.size != line.seq:
                self.stop("this is no seal that follows", place)
            if not times and (seal.header != self.header_hash or seal.size < end
                              or (seal.size == end and seal.root != self.tree.root().hex())):
                self.stop("this seal does not follow what the segments hold", place)
            self._seal(line, seal, raw, place)
            times.append(line.time)
            reason, raw = seal.reason, self._copy()
        if reason == "stop" or max(times) - min(times) > DAY:
            self.stop("seals.jsonl knows more than segments that were copied first can lack", self.place)
        self.find(INCOMPLETE, f"seals.jsonl goes on with epoch {missing}: the end was cut, or the segments were copied first", self.place)

    def _checkpoints(self) -> None:
        key, end, place = self.checkpoint_key, self.tree.size, f"after {self.place}"
        signed: dict[int, bytes] = {}
        beyond = INCOMPLETE if self.is_copy else TAMPERED  # of what is part of the copy
        vouching = [(f"a checkpoint of {n.size} leaves", n, TAMPERED) for n in self.given.anchors.notes]
        for name, note in self.beside:
            if key and note.log_id == self.log_id and note.signed_by(key):
                signed.setdefault(note.size, note.root)
                self._contradicts(f"the log's own {name}", note, beyond)
            if any(note.signed_by(w) for w in self.given.witnesses):
                vouching.append((f"{name}, cosigned by a witness", note, beyond))
        for what, note, beyond in vouching:
            if note.log_id != self.log_id:
                self.find(UNVERIFIABLE, f"{what} is of another log, {note.origin}", place)
            elif not key or not note.signed_by(key):
                self.find(UNVERIFIABLE, f"{what} is not signed by this log's key", place)
            elif self.contradicted:
                self.find(UNVERIFIABLE, f"{what}: the checkpoint key that was given is not that of leaf 0", place)
            elif signed.setdefault(note.size, note.root) != note.root:
                self.find(TAMPERED, f"{what}: there is another of the same size", place, note.size)
            elif self._is_in_hole(note):
                self.notes.append(f"{what} is of what was pruned")
            elif not self._contradicts(what, note, beyond):
                self.anchored = max(self.anchored, note.size)
                if not note.size:
                    self.notes.append(f"{what} anchors nothing")
        for log_id, seq, _ in self.given.anchors.receipts:
            if log_id != self.log_id:
                self.find(UNVERIFIABLE, f"a receipt is of another log, {log_id}", place)
            elif seq >= end:
                self.find(TAMPERED, f"there is a receipt of seq {seq}, which the log has not", place)
            elif any(first <= seq < end for first, end, _ in self.holes):
                self.notes.append(f"the receipt of seq {seq} is of what was pruned")

    def _is_in_hole(self, note: Note) -> bool:
        return any(first < note.size < end for first, end, _ in self.holes)

    def _contradicts(self, what: str, note: Note, beyond: int = TAMPERED) -> bool:
        if note.size > self.tree.size:
            self.find(beyond, f"{what} has {note.size} leaves, the log {self.tree.size}", f"after {self.place}")
        elif not self._is_in_hole(note) and self.wanted[note.size] != note.root:
            self.find(TAMPERED, f"{what} has another root than the log", f"seq {note.size - 1}", note.size - 1)
        else:
            return False
        return True

    def _pruned_record(self, line: Line, place: str) -> Pruned:
        data = line.data
        if any(data.get(k) is None for k in TYPES["pruned"]) or not data["first_seq"] <= data["through_seq"] < line.seq:
            self.stop("this is no record of pruning", place)
        begin, end = data["first_seq"], data["through_seq"] + 1
        shape = levels(begin, end)
        if end > 1 << 62 or len(shape) != len(data["subtrees"]) or not all(HASH.fullmatch(h) for h in data["subtrees"]):
            self.stop("the record of pruning has not one hash for each subtree", place)
        if begin in self.trees:
            led_to = Tree(begin, list(self.trees[begin].frontier))
            for level, node in zip(shape, data["subtrees"]):
                led_to.add_subtree(level, bytes.fromhex(node))
            if led_to.root().hex() != data["root"]:
                self.stop("the subtrees in the record of pruning do not lead to its root", place)
        if end in self.trees and self.trees[end].root().hex() != data["root"]:
            self.stop("the record of pruning has another root", place)
        return Pruned(line, place, self.keys is not None)

    def _holes(self) -> None:
        missing = [hole for hole in self.holes if not any(r.sealed and self._covers(r.line, *hole[:2]) for r in self.pruned)]
        for first, end, place in missing:
            self.find(TAMPERED, f"no record says that leaves {first} to {end - 1} were pruned{self.unreadable}", place, end)
        if missing:
            raise Stop

    def _pruned(self) -> None:
        for record in self.pruned:
            data, seq = record.line.data, record.line.seq
            through = data["through_seq"]
            at = next((time for size, time in self.seal_times if size >= through), None)
            if at is not None and record.line.time - at < data["keep_seconds"] * 10**9:
                self.find(TAMPERED, "the lines were pruned sooner than the record says", record.place, seq)
