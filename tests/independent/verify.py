#!/usr/bin/env python3
"""An independent verifier of auditlogd's logs and proofs, format version 1.

Written from docs/ledger-format.md alone, by somebody who has not seen a line of the program.
Exit codes: 0 OK, 4 TAMPERED (a proof: FALSE), 5 INCOMPLETE, 6 UNVERIFIABLE, 2 wrong usage, 3 a file of a key or an anchor cannot be read.
"""

from __future__ import annotations

import argparse
import re
import resource
import sys
from pathlib import Path

from ledger import INCOMPLETE, TAMPERED, UNVERIFIABLE, Given, Verification
from notes import Anchors, Unusable, VerifierKey, WrongKind, check_proof, read_anchors

WORDS = {TAMPERED: "TAMPERED", INCOMPLETE: "INCOMPLETE", UNVERIFIABLE: "UNVERIFIABLE"}


def read_key(text: str) -> bytes:
    value = text if re.fullmatch("[0-9a-f]{64}", text) else Path(text).read_text("ascii").removesuffix("\n")
    if not re.fullmatch("[0-9a-f]{64}", value):
        raise Unusable(f"{text} is no key of 64 hex digits")
    return bytes.fromhex(value)


def read_vkey(text: str, kind: int) -> VerifierKey:
    key = VerifierKey.parse(text if text.count("+") >= 2 else Path(text).read_text("utf-8").removesuffix("\n"))
    if key.kind != kind:
        raise WrongKind(f"{key.name} is not a key of {'cosignatures' if kind == 4 else 'checkpoints'}")
    return key


def report(v: Verification) -> tuple[int, str]:
    f = v.verdict()
    if f:
        also = sum(other.code == f.code for other in v.findings) - 1
        more = f" (and {also} more)" if also else ""
        return f.code, f"{WORDS[f.code]}: {f.text}{more}.\nAt {f.place}."
    anchored = f"ANCHORED up to seq {v.anchored - 1}" if v.anchored else "UNANCHORED"
    open_lines = v.tree.size - v.epoch_first
    by = "macs only" if v.given.auditor_key else "nothing"
    tail = f"; {open_lines} lines after the last seal are covered by {by}" if open_lines else ""
    return 0, f"OK, {anchored}: everything holds{tail}.\nLog {v.log_id}, seq {v.first_seq} to {v.tree.size - 1}, {v.epoch} seals."


def main() -> int:
    parser = argparse.ArgumentParser(description="Verify a log of auditlogd, or a proof of one of its lines, from the published format.")
    parser.add_argument("directory", type=Path, metavar="DIR", nargs="?", help="segments, seals.jsonl, checkpoint")
    parser.add_argument("--state", type=Path, metavar="DIR", help="where seals.jsonl and checkpoint are, if not in DIR")
    parser.add_argument("--genesis", metavar="HEX|FILE")
    parser.add_argument("--auditor-key", metavar="FILE")
    parser.add_argument("--anchor", type=Path, action="append", default=[], metavar="FILE")
    parser.add_argument("--witness", action="append", default=[], metavar="VKEY|FILE")
    parser.add_argument("--proof", type=Path, metavar="FILE")
    parser.add_argument("--vkey", metavar="VKEY|FILE")
    o = parser.parse_args()
    if not (o.directory or o.proof) or (o.proof and not o.vkey):
        parser.error("give DIR, or --proof and --vkey")
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    try:
        vkey, witnesses = read_vkey(o.vkey, 1) if o.vkey else None, [read_vkey(w, 4) for w in o.witness]
        proof = o.proof.read_bytes() if o.proof else b""
        found = [(path, read_anchors(path.read_bytes())) for path in o.anchor]
        anchors = Anchors([n for _, a in found for n in a.notes], [r for _, a in found for r in a.receipts],
                          [f"{path}, {text}" for path, a in found for text in a.damaged])
        given = Given(o.state or o.directory, read_key(o.genesis) if o.genesis else None,
                      read_key(o.auditor_key) if o.auditor_key else None, anchors, vkey, witnesses)
    except WrongKind as e:
        parser.error(str(e))
    except (Unusable, ValueError, OSError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 3
    results = [check_proof(proof, vkey, witnesses)] if o.proof and vkey else []
    if o.directory:
        v = Verification(o.directory, given)
        results.append(report(v))
        for note in v.notes:
            print(f"note: {note}")
    for _, text in results:
        print(text)
    return min((code for code, _ in results), key=[TAMPERED, UNVERIFIABLE, INCOMPLETE, 0].index)


if __name__ == "__main__":
    sys.exit(main())
