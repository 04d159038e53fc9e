"""The form of headers, lines and seals, and a check of JSON that converts nothing.

Written from docs/ledger-format.md alone ("Conventions", "Segments", "Lines", "Seals").
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from tree import TAIL

MAX_LINE, MAX_HEADER = 65_535, 8_192
SIG_TAIL = len(',"sig":"') + 128 + len('"}')
INT, HEX32, HEX64 = "(0|[1-9][0-9]{0,19})", "([0-9a-f]{32})", "([0-9a-f]{64})"
TIME = r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{9}Z)"
ESCAPES = r'\\["\\bfnrt]|\\u00(?:0[0-7bef]|1[0-9a-f])'  # the shortest ones of JSON
HOST = rf'"(?:[^"\\\x00-\x1f\x80-\x9f\u2028\u2029]|{ESCAPES}|\\u00[89][0-9a-f]|\\u202[89])*+"'
HEADER = re.compile(
    rf'\{{"auditlog":1,"log_id":"{HEX32}","host":{HOST},"segment":{INT},"first_seq":{INT},'
    rf'"frontier":\[((?:"[0-9a-f]{{64}}"(?:,(?=")|(?=\])))*)\],"opened":"{TIME}"\}}')
START = re.compile(rf'\{{"seq":{INT},"ts":"{TIME}","id":(?=")')
SEAL = re.compile(
    rf'\{{"epoch":{INT},"first_seq":{INT},"size":{INT},"root":"{HEX64}","prev":"{HEX64}","header":"{HEX64}",'
    rf'"next_pub":"{HEX64}","boottime_ns":{INT},"boot_id":("(?:[^"\\\x00-\x1f]|{ESCAPES})*+"),'
    r'"reason":"(created|time|size|idle|rotate|stop|start|recovered)","sig":"([0-9a-f]{128})"\}')
MAC = re.compile(rb',"mac":"[0-9a-f]{64}"\}')
OWN = re.compile(r'\{"event_type":"auditlogd\.([a-z_]+)"')
TOKEN = re.compile(
    r'[ \t\n\r]*+(?:("(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+")'
    r'|(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?|true|false|null)|([][{},:]))')

# What a verifier needs of the daemon's own records. `step_ns` has a sign; null is like a member that is left out.
TYPES: dict[str, dict[str, type]] = {
    "log_created": {"log_id": str, "genesis_pub": str, "checkpoint_vkey": str, "format": int},
    "recovered": {"lines": int, "damage": str},
    "reopened": {"damage": str},
    "clock_step": {"step_ns": int},
    "pruned": {"first_seq": int, "through_seq": int, "root": str, "subtrees": list, "policy": str, "keep_seconds": int},
}


@dataclass
class Header:
    raw: bytes
    log_id: str
    number: int
    first_seq: int
    frontier: list[bytes]


@dataclass
class Seal:
    epoch: int
    first_seq: int
    size: int
    root: str
    prev: str
    header: str
    next_pub: str
    boottime_ns: int
    boot_id: str
    reason: str
    sig: str


@dataclass
class Line:
    seq: int
    time: int  # nanoseconds since 1970
    mac: str
    seal: Seal | None = None
    record: str = ""  # one of the daemon's own that a verifier needs
    data: dict[str, Any] = field(default_factory=dict)


def integer(text: str) -> int:
    if (value := int(text)) >= 1 << 64:
        raise ValueError(f"{text} is larger than 2^64 - 1")
    return value


def nanoseconds(text: str) -> int:
    whole = datetime.fromisoformat(text[:19]).replace(tzinfo=timezone.utc)
    value = int((whole - datetime(1970, 1, 1, tzinfo=timezone.utc)).total_seconds()) * 10**9 + int(text[20:29])
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"{text} is not within 64 bits of nanoseconds")
    return value


def json_end(text: str, at: int) -> int:
    """Where the JSON value that begins at `at` ends (RFC 8259, of any depth)."""
    stack: list[str] = []
    want = "value"  # or: first (value or ]), name, name1 (name or }), colon, next (comma or end)
    while True:
        if not (m := TOKEN.match(text, at)):
            raise ValueError("not JSON")
        at, sign = m.end(), m[3]
        if want in ("name", "name1") and m[1]:
            want = "colon"
            continue
        if want == "colon" and sign == ":":
            want = "value"
            continue
        if want == "next" and sign == ",":
            want = "name" if stack[-1] == "}" else "value"
            continue
        if want in ("value", "first") and sign in ("{", "["):
            stack.append("}" if sign == "{" else "]")
            want = "name1" if sign == "{" else "first"
            continue
        if sign in ("}", "]") and stack and stack[-1] == sign and want in ("next", "name1" if sign == "}" else "first"):
            stack.pop()
        elif want not in ("value", "first") or sign:
            raise ValueError("not JSON")
        want = "next"
        if not stack:
            return at


def parse_header(raw: bytes) -> Header | None:
    try:
        m = HEADER.fullmatch(raw.decode())
        if m and len(raw) < MAX_HEADER:
            nanoseconds(m[5])
            return Header(raw, m[1], integer(m[2]), integer(m[3]), [bytes.fromhex(h) for h in m[4].strip('"').split('","') if h])
    except ValueError:
        pass
    return None


def of_type(value: Any, name: str, wanted: type) -> bool:
    least, end = (-(1 << 63), 1 << 63) if name == "step_ns" else (0, 1 << 64)
    return type(value) is wanted and (wanted is not int or least <= value < end) \
        and (wanted is not list or all(type(v) is str for v in value))


def own_record(event: str) -> tuple[str, dict[str, Any]]:
    found = OWN.match(event)
    types = TYPES.get(found[1]) if found else None
    if found and types:
        try:
            data = json.loads(event, parse_int=lambda t: int(t[:400])).get("data")
        except (ValueError, RecursionError):
            data = None
        if isinstance(data, dict) and all(of_type(data[k], k, t) for k, t in types.items() if data.get(k) is not None):
            return found[1], data
    return "", {}


def parse_line(raw: bytes) -> Line:
    """Raises ValueError if the line has not the form of the page."""
    if len(raw) > MAX_LINE:
        raise ValueError("it is longer than 65,535 bytes")
    if not MAC.fullmatch(raw[-TAIL:]):
        raise ValueError("no mac at its end")
    text = raw[:-TAIL].decode()
    if not (start := START.match(text)):
        raise ValueError("it does not begin like a line")
    line = Line(integer(start[1]), nanoseconds(start[2]), raw[-66:-2].decode())
    at = json_end(text, start.end())
    if text.startswith(',"seal":', at):
        if not (m := SEAL.fullmatch(text, at + 8)):
            raise ValueError("not the form of a seal")
        g = m.groups()
        line.seal = Seal(integer(g[0]), integer(g[1]), integer(g[2]), *g[3:7], integer(g[7]), *g[8:])
        return line
    for name in (',"peer":', ',"event":'):
        if not text.startswith(name + "{", at):
            raise ValueError(f"{name[2:-2]} is not where it belongs")
        begin = at + len(name)
        at = json_end(text, begin)
    if at != len(text):
        raise ValueError("something stands between event and mac")
    line.record, line.data = own_record(text[begin:])
    return line
