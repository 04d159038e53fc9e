"""The files of a log: what is a segment, compressed ones (RFC 8878, RFC 1952), and a snapshot beside a live daemon.

Written from docs/ledger-format.md alone ("Files", steps 1 and 2 of "Verifying"). zstd needs the `zstd` command.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lines import MAX_HEADER, Header, parse_header

CHUNK = 1 << 16
ZSTD, GZIP = b"\x28\xb5\x2f\xfd", b"\x1f\x8b"


@dataclass
class Segment:
    name: str
    file: IO[bytes]  # plain, or what was decompressed from it
    length: int
    header: Header
    compressed: bool
    defect: str  # how its end is not as it should be: of a compressed file only


@dataclass
class Snapshot:
    segments: list[Segment]
    unreadable: list[str]  # files that may be segments, and what is wrong with them
    errors: list[str]  # of the disk


def zstd_frame(data: bytes) -> int:
    """Where the first frame ends (RFC 8878, 3.1.1), or -1 if the data ends before."""
    if len(data) < 5:
        return -1
    descriptor = data[4]
    single = descriptor >> 5 & 1
    at = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3] + (single, 2, 4, 8)[descriptor >> 6]
    while at + 3 <= len(data):
        block = int.from_bytes(data[at:at + 3], "little")
        at += 3 + (1 if block >> 1 & 3 == 1 else block >> 3)
        if block & 1:
            at += 4 if descriptor & 4 else 0
            return at if at <= len(data) else -1
    return -1


def decompress(file: IO[bytes], magic: bytes) -> tuple[IO[bytes], str]:
    """What can be read of the file's first frame or member, and how its end is not as it should be."""
    out = tempfile.TemporaryFile()
    if magic == ZSTD:
        data = file.read()
        end = zstd_frame(data)
        if not (tool := shutil.which("zstd")):
            raise OSError("there is no zstd command to read it with")
        done = subprocess.run([tool, "-dcq", "--memory=2048MB"], input=data[:end] if end >= 0 else data, stdout=out, stderr=subprocess.DEVNULL)
        if end < 0 or done.returncode:
            return out, "it does not decompress to its end"
        return out, "something stands after its zstd frame" if end < len(data) else ""
    z = zlib.decompressobj(31)
    try:
        while not z.eof and (data := file.read(CHUNK)):
            out.write(z.decompress(data))
    except zlib.error:
        return out, "it does not decompress to its end"
    if not z.eof:
        return out, "it does not decompress to its end"
    return out, "something stands after its gzip member" if z.unused_data or file.read(1) else ""


def open_segment(path: str, name: str, expected: int, found: Snapshot) -> bool:
    """False if the file is not any more the one of the list."""
    try:
        file = open(path, "rb", buffering=0)
        state = os.fstat(file.fileno())
        if state.st_ino != expected:
            return False
        start = file.read(4)
        magic = start if start == ZSTD else start[:2] if start[:2] == GZIP else b""
        file.seek(0)
        defect, length, plain = "", state.st_size, file
        if magic:
            plain, defect = decompress(file, magic)  # type: ignore[assignment]
            length = plain.seek(0, os.SEEK_END)
            plain.seek(0)
        first, lf, _ = plain.read(min(MAX_HEADER, length)).partition(b"\n")
    except FileNotFoundError:
        return False
    except OSError as e:
        found.errors.append(f"{name}: {e}")
        return True
    header = parse_header(first) if lf else None
    if header:
        found.segments.append(Segment(name, plain, length, header, bool(magic), defect))
    elif magic or first.startswith(b'{"auditlog":'):
        found.unreadable.append(f"{name} has no header that can be read")
    return True


def listing(directory: Path) -> dict[str, tuple[str, int]]:
    return {e.path: (e.name, e.inode()) for e in os.scandir(directory) if e.is_file(follow_symlinks=False)}


def snapshot(directory: Path) -> Snapshot:
    """Step 1, with all files kept open: a name may become another file's at any moment."""
    for attempt in range(50):
        before, found = listing(directory), Snapshot([], [], [])
        if all([open_segment(path, *entry, found) for path, entry in before.items()]):
            after = listing(directory)
            if all(after.get(path) == entry for path, entry in before.items()):
                return found
        for segment in found.segments:
            segment.file.close()
        time.sleep(0.01 * attempt)
    raise OSError(f"the files in {directory} do not stay for long enough to be read")


def begins_with(long: Segment, short: Segment) -> bool:
    long.file.seek(0)
    short.file.seek(0)
    left = short.length
    while left:
        a, b = long.file.read(min(CHUNK, left)), short.file.read(min(CHUNK, left))
        if a != b or not a:
            return False
        left -= len(a)
    return True


def without_copies(segments: list[Segment]) -> list[Segment]:
    """Step 2. In the order of step 3."""
    kept: list[Segment] = []
    for s in sorted(segments, key=lambda s: (s.header.first_seq, s.header.number, s.header.raw, -s.length, s.defect)):
        if not any(k.header.raw == s.header.raw and begins_with(k, s) for k in kept):
            kept.append(s)
    return kept


def lines(file: IO[bytes], length: int, most: int) -> Iterator[tuple[bytes, bool]]:
    """(line without LF, whether it had one) within the first `length` bytes; the rest of an endless line is not read."""
    rest = b""
    file.seek(0)
    while length and (data := file.read(min(CHUNK, length))):
        length -= len(data)
        *whole, rest = (rest + data).split(b"\n")
        yield from ((line, True) for line in whole)
        if len(rest) > 2 * most:
            break
    if rest:
        yield rest, False
