#!/usr/bin/env python3
"""Verify exported audit logs, or proofs of single events, by docs/format.md §7 alone.

    verify_audit_log.py --key VKEY LOG...            for the output of `blue-store audit export`
    verify_audit_log.py --key VKEY --proof PROOF...  for the output of `blue-store audit proof`

It prints one line for each file: "LOG: ok", "LOG: unproven: …" or "LOG: class: …" with the first fault.
The status is 1 if there is a fault. It shares no code with the Go packages.
audit_log_format.py reads the bytes of lines, events, notes and proofs.
"""
import argparse
import re
import sys
from functools import reduce

from audit_log_dialogues import Dialogue
from audit_log_format import MALFORMED, Bad, checkpoint, intact, place, proof, records, sha, verifier


class Chain:
    """One chain. Its checkpoints follow its events."""

    def __init__(self, name, keys):
        self.name, self.keys, self.leaves, self.fault = name, keys, [], None
        self.last, self.operation = sha(b"blue/1/chain/", name.encode()).hex(), ""
        self.full, self.size, self.proven = [], 0, 0  # the tree so far: roots of its full subtrees, greatest first

    def event(self, sk, e):
        seq, due = place(sk), len(self.leaves) + 1
        fault = (
            "inserted" if seq == 0 else
            ("no_genesis" if due == 1 else "missing") if seq != due else
            "changed" if not intact(e) else
            "moved" if (e.get("chain"), e["seq"]) != (self.name, seq) else
            "broken_link" if e.get("previous_hash") != self.last else
            "after_close" if self.operation == "close" else
            "no_genesis" if (seq == 1) != (e.get("operation") == "genesis") else "")
        if fault:
            self.fault = Bad(fault, f"chain {self.name} seq {due}")
        else:
            self.last, self.operation = e["event_hash"], e.get("operation")
            self.leaves.append(bytes.fromhex(self.last))

    def root(self, size):
        """Return the RFC 6962 root of the first events. The sizes ascend."""
        for i in range(self.size, size):
            node = sha(b"\x00", self.leaves[i])
            while i & 1:
                node, i = sha(b"\x01", self.full.pop(), node), i >> 1
            self.full.append(node)
        self.size = size
        return reduce(lambda right, left: sha(b"\x01", left, right), reversed(self.full))

    def checkpoint(self, sk, note):
        size, where = place(sk), f"chain {self.name}, the checkpoint at {sk}"
        if self.fault and size > len(self.leaves):
            raise self.fault
        chain, signed, root = checkpoint(note, self.keys)
        if (chain, signed) != (self.name, size):
            raise Bad("bad_checkpoint", where)
        if size > len(self.leaves):
            raise Bad("cut", f"{where}; {len(self.leaves)} events are there")
        if self.root(size) != root:
            raise Bad("rewritten", where)
        self.proven = size

    def tail(self):
        """Return the events that no checkpoint covers, or "" if there are none."""
        if self.fault or not self.leaves:
            raise self.fault or Bad("missing_chain", f"chain {self.name} has no events")
        closed = self.operation == "close"
        if closed and self.proven == len(self.leaves):
            return ""
        return f"chain {self.name}: {'closed' if closed else 'unclosed'}, {len(self.leaves)} events, tail unproven after seq {self.proven}"


def judge(rows, keys):
    """Raise Bad for the first fault. Return the unproven tails."""
    chain, chains, tails, dialogues = None, set(), [], {}
    known = lambda name: dialogues.setdefault(name, Dialogue(name))
    for kind, name, sk, item in rows:
        if kind in ("chains", "dialogue") and chain:
            tails, chain = tails + [chain.tail()], None
        if kind == "chains":
            chain = Chain(sk, keys)
            chains.add(sk)
        elif kind == "checkpoint":
            chain.checkpoint(sk, item.get("note") if type(item.get("note")) is str else "")
        elif kind == "audit" and not chain:
            known(dialogue).lent[name, place(sk)] = item
        elif kind == "audit" and not chain.fault:
            chain.event(sk, item)
            if not chain.fault and "dialogue" in item:
                known(item["dialogue"]).event(item)
        elif kind == "dialogue" and sk == "root":
            dialogue = name
            known(name).root = item
        elif kind == "dialogue":
            known(name).pointer(sk, item, chains)
    if chain:
        tails.append(chain.tail())
    for name in sorted(dialogues):
        dialogues[name].end()
    return [t for t in tails if t]


def verdict(path, keys):
    with open(path, "rb") as file:
        rows = records(file)
        try:
            tails = judge(rows, keys)
            word = "unproven: " + "; ".join(tails) if tails else "ok"
        except Bad as bad:
            word = str(bad)
            for _ in rows:  # a file with a malformed line is not verified
                pass
    return word


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key", action="append", required=True, help="a verifier key, from somewhere else than the log")
    parser.add_argument("--proof", action="store_true", help="the files are proofs")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    keys, bad = dict(map(verifier, args.key)), False
    for path in args.files:
        try:
            word = (proof if args.proof else verdict)(path, keys)
        except Bad as error:
            word = str(error)
        except MALFORMED as error:
            word = f"malformed: {error}"
        bad |= not re.match("ok|unproven", word)
        print(f"{path}: {word}", flush=True)
    sys.exit(bad)


if __name__ == "__main__":
    main()
