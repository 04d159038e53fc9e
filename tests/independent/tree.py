"""The Merkle tree, the two proofs, and the keys of the macs.

Written from docs/ledger-format.md alone ("Lines", "Keys", "Proofs").
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

TAIL = 74  # ,"mac":"<64 hex>"}


def leaf_hash(line: bytes) -> bytes:
    return hashlib.sha256(b"\0" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass
class Tree:
    size: int = 0
    frontier: list[bytes] = field(default_factory=list)

    def add(self, node: bytes) -> None:
        self.add_subtree(0, node)

    def add_subtree(self, level: int, node: bytes) -> None:
        """Adds 2^level leaves; the size is a multiple of that."""
        n = self.size >> level
        while n & 1:
            node, n = node_hash(self.frontier.pop(), node), n >> 1
        self.frontier.append(node)
        self.size += 1 << level

    def root(self) -> bytes:
        if not self.frontier:
            return hashlib.sha256().digest()
        node = self.frontier[-1]
        for left in reversed(self.frontier[:-1]):
            node = node_hash(left, node)
        return node


def levels(begin: int, end: int) -> list[int]:
    """Those of the maximal perfect subtrees over leaves [begin, end)."""
    found = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        found.append(level)
        begin += 1 << level
    return found


def included(index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes) -> bool:
    if index >= size or len(leaf) != 32:
        return False
    f, s, h = index, size - 1, leaf
    for p in path:
        if s == 0:
            return False
        if f & 1 or f == s:
            h = node_hash(p, h)
            while f & 1 == 0 and f:
                f, s = f >> 1, s >> 1
        else:
            h = node_hash(h, p)
        f, s = f >> 1, s >> 1
    return s == 0 and h == root


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    if not 0 < old <= new:
        return False
    if old == new:
        return not path and old_root == new_root
    hashes = [old_root, *path] if old.bit_count() == 1 else list(path)
    if not path:
        return False
    f, s = old - 1, new - 1
    while f & 1:
        f, s = f >> 1, s >> 1
    a = b = hashes[0]
    for p in hashes[1:]:
        if s == 0:
            return False
        if f & 1 or f == s:
            a, b = node_hash(p, a), node_hash(p, b)
            while f & 1 == 0 and f:
                f, s = f >> 1, s >> 1
        else:
            b = node_hash(b, p)
        f, s = f >> 1, s >> 1
    return s == 0 and a == old_root and b == new_root


def mac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


class Keys:
    """S(e) and K(e,i), from the auditor key on."""

    def __init__(self, s0: bytes, log_id: bytes) -> None:
        self.epoch, self.secret, self.log_id = 0, s0, log_id
        self.key = self._derive(b"line")

    def _derive(self, what: bytes) -> bytes:  # HKDF with a single block of output
        info = b"auditlog/v1/" + what + self.log_id + self.epoch.to_bytes(8, "big")
        return mac(mac(bytes(32), self.secret), info + b"\1")

    def begin(self, epoch: int) -> None:
        while self.epoch < epoch:
            self.secret = self._derive(b"next")
            self.epoch += 1
        self.key = self._derive(b"line")

    def ratchet(self) -> None:
        self.key = mac(self.key, b"ratchet")

    def check(self, line: bytes) -> bool:
        good = mac(self.key, line[:-TAIL]).hex().encode() == line[-66:-2]
        self.ratchet()
        return good
