"""Read exported audit logs and proofs strictly, from docs/format.md §7 alone.

verify_audit_log.py uses this module.
"""
import base64
import hashlib
import json
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

CORE = """event_id timestamp trace_id span_id operation key_id principal outcome chain seq dialogue root_version
item_count items_digest item_names item_tags error_class previous_hash""".split()
NUMBERS = {"seq", "root_version", "item_count"}
TYPES = dict.fromkeys(CORE + ["root_hash", "event_hash"], str) | dict.fromkeys(NUMBERS, int)
TYPES |= dict.fromkeys(["items_digest", "item_names", "item_tags"], bytes)
STATES = ("stored", "gone", "erased", "copying", "moving")
ORIGIN = "blue-encrypted-store/audit/"
MAX_LINE = 1_638_400  # bytes
MALFORMED = (ValueError, AttributeError, TypeError, KeyError, RecursionError)


class Bad(Exception):
    """The class and the place of a fault."""

    def __str__(self):
        return ": ".join(self.args)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def unbase64(text):
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw).decode() != text:
        raise ValueError("not the one spelling in base64")
    return raw


# ------------------------------------------------ lines

def parse(line):
    """Return the key and attributes of one line. A line has one spelling."""
    text = line.decode()
    item = json.loads(text)
    again = json.dumps(item, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n"
    if again.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029") != text or len(line) > MAX_LINE:
        raise ValueError("not its one spelling")
    out = {}
    for name, typed in item.items():
        (kind, value), = typed.items()
        if type(value) is not (bool if kind == "BOOL" else str):
            raise ValueError("not a typed value")
        out[name] = {"S": str, "N": int, "B": unbase64, "BOOL": bool}[kind](value)
        if kind == "N" and (str(out[name]) != value or not -2**63 <= out[name] < 2**63):
            raise ValueError("not a number")
    pk, sk = out.pop("PK"), out.pop("SK")
    if type(pk) is not str or type(sk) is not str or not pk or not sk:
        raise ValueError("no key")
    return pk, sk, out


def records(file):
    """Yield kind, name, SK and attributes of each line, in the order of the format."""
    chain = dialogue = ""
    n, last, lent = 0, (), set()
    for n, line in enumerate(file, 1):
        pk, sk, item = parse(line)
        kind, mark, name = pk.partition("#")
        if n == 1:
            fine = (pk, sk) == ("format", "blue/1/audit-log")
        elif pk == "chains#" + sk[0]:
            fine, chain, last = not dialogue and sk > chain, sk, ()
        elif kind == "dialogue" and sk == "root":
            version = item.get("root_version", 0)
            fine = mark and name > dialogue and item.get("state") in STATES and type(version) is int and version >= 0
            dialogue, last = name, ()
        elif kind == "audit" and mark and dialogue:
            fine = (pk, sk) not in lent
            lent.add((pk, sk))
        else:
            owner = {"audit": "" if dialogue else chain, "checkpoint": "" if dialogue else chain, "dialogue": dialogue}.get(kind)
            fine, last = owner and name == owner and (kind, sk) > last, (kind, sk)
        if not fine:
            raise ValueError(f"line {n} does not belong there")
        yield kind, name, sk, item
    if n == 0:
        raise ValueError("empty")


def place(sk):
    return int(sk) if re.fullmatch("[0-9]{12}", sk, re.ASCII) else 0


# ------------------------------------------------ events, trees, notes

def intact(e):
    """Return whether a record is exactly an event with the hash of its fields."""
    if not NUMBERS <= e.keys() or any(type(v) is not TYPES.get(name) or v in ("", b"") for name, v in e.items()):
        return False
    fields = [e.get(name, b"") for name in CORE]
    fields = [f if type(f) is bytes else str(f).encode() for f in [b"blue/1/event", *fields, e.get("root_hash", "")]]
    return e.get("event_hash") == sha(*(len(f).to_bytes(8, "big") + f for f in fields)).hex() and e["seq"] > 0 <= e["root_version"]


def verifier(vkey):
    """Return the name and key hash of a verifier key, as in signatures, and the key."""
    name, hashed, key = vkey.split("+", 2)
    raw = unbase64(key)
    if raw[:1] != b"\x01" or sha(name.encode(), b"\n", raw)[:4].hex() != hashed:
        raise ValueError(f"{vkey} is no verifier key")
    return (name, bytes.fromhex(hashed)), Ed25519PublicKey.from_public_bytes(raw[1:])


def checkpoint(note, keys):
    """Open a signed note; return chain, size and root."""
    body, _, signatures = note.rpartition("\n\n")
    lines, good = signatures.split("\n"), set()
    try:
        if lines.pop() or not 1 <= len(lines) <= 16 or re.search("[\0-\x09\x0b-\x1f]", note) or len(note.encode()) > 16384:
            raise ValueError("its signatures are not 1 to 16 lines")
        for line in lines:
            dash, name, signature = line.split(" ")
            raw = base64.b64decode(signature, validate=True)
            if dash != "\u2014" or not name or "+" in name or re.search(r"\s", name) or len(raw) < 5:
                raise ValueError("a line that is no signature")
            signer = name, raw[:4]
            if signer in keys and signer not in good:
                keys[signer].verify(raw[4:], (body + "\n").encode())
                good.add(signer)
        origin, size, root = body.split("\n")
        if not good or not re.fullmatch(ORIGIN + "[0-9a-f]{32}", origin) or not re.fullmatch("[1-9][0-9]{0,11}", size, re.ASCII):
            raise ValueError("signed by no known key, or not a checkpoint")
        if len(unbase64(root)) != 32:
            raise ValueError("its root")
    except (ValueError, InvalidSignature) as error:
        raise Bad("bad_checkpoint", str(error) or "a signature does not hold") from None
    return origin.removeprefix(ORIGIN), int(size), unbase64(root)


# ------------------------------------------------ proofs

def proof(path, keys):
    """Check an inclusion proof (RFC 9162 §2.1.3.2) of the event hash that it carries."""
    with open(path, encoding="utf-8", newline="") as file:
        head, _, note = file.read().partition("\n\n")
    title, extra, index, *path = head.split("\n")
    chain, size, root = checkpoint(note, keys)
    hashed = unbase64(extra.removeprefix("extra ")).decode()
    if title != "c2sp.org/tlog-proof@v1" or not re.fullmatch("[0-9a-f]{64}", hashed) or not re.fullmatch("index (0|[1-9][0-9]{0,11})", index, re.ASCII):
        raise ValueError("not a proof of an event")
    n, last, node = int(index[6:]), size - 1, sha(b"\x00", bytes.fromhex(hashed))
    seq = n + 1
    if n > last:
        raise Bad("bad_proof", f"event {seq} in a tree of {size}")
    for sibling in map(unbase64, path):
        if last == 0:
            raise Bad("bad_proof", "it has too many hashes")
        if n & 1 or n == last:
            node = sha(b"\x01", sibling, node)
            while not n & 1:
                n, last = n >> 1, last >> 1
        else:
            node = sha(b"\x01", node, sibling)
        n, last = n >> 1, last >> 1
    if last or node != root:
        raise Bad("bad_proof", f"{hashed} is not event {seq} of chain {chain}")
    return f"ok: {hashed} is event {seq} of the {size} that are signed of chain {chain}"
