#!/usr/bin/env python3
"""Write the vectors of the audit log's checkpoints and proofs.

    python3 scripts/checkpoint_vectors.py tests/fixtures

writes checkpoint_vectors.json there. It is written from the texts of RFC 6962
section 2.1, C2SP signed-note, tlog-checkpoint, tlog-proof and tlog-witness. It
shares no code with the Go packages. The output is the same on every run.
"""
import base64
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NAME = "blue-audit"
CHAIN = "5f0c6d1e" * 4
ORIGIN = "blue-encrypted-store/audit/" + CHAIN
SIZES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 100, 255, 256, 257, 1000]


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def b64(b):
    return base64.b64encode(b).decode()


# ------------------------------------------------ RFC 6962, section 2.1

def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(d):
    if not d:
        return sha()
    if len(d) == 1:
        return sha(b"\x00", d[0])
    k = split(len(d))
    return sha(b"\x01", mth(d[:k]), mth(d[k:]))


def path(m, d):
    if len(d) == 1:
        return []
    k = split(len(d))
    if m < k:
        return path(m, d[:k]) + [mth(d[k:])]
    return path(m - k, d[k:]) + [mth(d[:k])]


def subproof(m, d, known):
    if m == len(d):
        return [] if known else [mth(d)]
    k = split(len(d))
    if m <= k:
        return subproof(m, d[:k], known) + [mth(d[k:])]
    return subproof(m - k, d[k:], False) + [mth(d[:k])]


# ------------------------------------------------ signed notes

class Key:
    def __init__(self, seed, name=NAME):
        self.name, self.seed = name, seed
        self.key = Ed25519PrivateKey.from_private_bytes(seed)
        public = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.encoded = b"\x01" + public
        self.hash = sha(name.encode(), b"\n", self.encoded)[:4]

    def vkey(self):
        return f"{self.name}+{self.hash.hex()}+{b64(self.encoded)}"

    def line(self, body):
        return f"\u2014 {self.name} {b64(self.hash + self.key.sign(body.encode()))}\n"


OWN = Key(bytes(range(32)))
OTHER = Key(bytes(range(32, 64)))
WITNESS = Key(bytes(range(64, 96)), "witness.example")


def body(size, root, origin=ORIGIN):
    return f"{origin}\n{size}\n{b64(root)}\n"


def note(text, *keys):
    return text + "\n" + "".join(k.line(text) for k in keys or [OWN])


def leaf(i):
    return sha(f"event {i}".encode())


LEAVES = [leaf(i) for i in range(max(SIZES))]


def good_notes():
    for n in SIZES:
        root = mth(LEAVES[:n])
        yield {"size": n, "root": root.hex(), "note": note(body(n, root))}


def notes():
    """Yield notes to open with the key OWN: (name, good, note)."""
    root = mth(LEAVES[:256])
    good = body(256, root)
    line = OWN.line(good)
    sig = line.split(" ")[2].strip()
    flipped = base64.b64decode(sig)
    wrong = f"\u2014 {NAME} {b64(flipped[:-1] + bytes([flipped[-1] ^ 1]))}\n"
    others = [Key(sha(bytes([i])), f"w{i}.example") for i in range(20)]
    yield "one signature", True, note(good)
    yield "an unknown signer before ours", True, note(good, WITNESS, OWN)
    yield "an unknown signer after ours", True, note(good, OWN, WITNESS)
    yield "an unknown key of our name", True, note(good, OTHER, OWN)
    yield "our signature twice", True, note(good, OWN, OWN)
    yield "16 signatures", True, note(good, *others[:15], OWN)
    yield "an unknown signer whose signature is wrong", True, good + "\n" + WITNESS.line("other\n") + line
    yield "the greatest size", True, note(body(999_999_999_999, root))
    yield "size 1", True, note(body(1, root))
    yield "no known signer", False, note(good, WITNESS)
    yield "another key of our name", False, note(good, OTHER)
    yield "our key hash, signed by another", False, good + "\n" + f"\u2014 {NAME} {b64(OWN.hash + OTHER.key.sign(good.encode()))}\n"
    yield "a wrong signature", False, good + "\n" + wrong
    yield "a wrong signature beside a witness", False, good + "\n" + WITNESS.line(good) + wrong
    yield "17 signatures", False, note(good, *others[:16], OWN)
    yield "no signature", False, good + "\n"
    yield "no empty line", False, good + line
    yield "no newline at the end", False, note(good)[:-1]
    yield "text after the signatures", False, note(good) + "more\n"
    yield "an empty line at the end", False, note(good) + "\n"
    yield "a signature that is not base64", False, good + "\n" + f"\u2014 {NAME} {sig[:-4]}!!!=\n"
    yield "a signature of base64url", False, note(good).replace(sig, base64.urlsafe_b64encode(flipped).decode())
    yield "a signature of four bytes", False, good + "\n" + f"\u2014 {NAME} {b64(OWN.hash)}\n"
    yield "a signature without its name", False, good + "\n" + f"\u2014 {sig}\n"
    yield "a hyphen for the dash", False, note(good).replace("\u2014", "-")
    yield "another size under the signature", False, note(good).replace("\n256\n", "\n257\n")
    yield "another root under the signature", False, note(good).replace(b64(root), b64(mth(LEAVES[:255])))
    yield "another origin under the signature", False, note(good).replace(CHAIN, CHAIN[::-1])
    yield "carriage returns", False, note(good.replace("\n", "\r\n"))
    yield "a control character", False, note(good.replace("256", "256\t"))
    yield "not UTF-8", False, None
    yield "empty", False, ""
    # The following notes have valid signatures and wrong lines.
    for name, text in [
        ("a size with a leading zero", body("0256", root)),
        ("a size with a sign", body("+256", root)),
        ("a size below zero", body("-1", root)),
        ("a size in hex", body("0x100", root)),
        ("a size with a space", body("256 ", root)),
        ("a size that is empty", body("", root)),
        ("size 0 with the root of nothing", body(0, mth([]))),
        ("a size of 13 digits", body(1_000_000_000_000, root)),
        ("a size of 2^63", body(2**63, root)),
        ("a size of 2^64", body(2**64, root)),
        ("an extension line", good + "extension\n"),
        ("two extension lines", good + "one\ntwo\n"),
        ("an empty root", f"{ORIGIN}\n256\n\n"),
        ("no root", f"{ORIGIN}\n256\n"),
        ("a root of 31 bytes", body(256, root[:31])),
        ("a root of 33 bytes", body(256, root + b"\x00")),
        ("a root in hex", f"{ORIGIN}\n256\n{root.hex()}\n"),
        ("a root without padding", f"{ORIGIN}\n256\n{b64(root)[:-1]}\n"),
        ("a root with loose bits", f"{ORIGIN}\n256\n{loose(b64(root))}\n"),
        ("a root with a space", f"{ORIGIN}\n256\n{b64(root)} \n"),
        ("an empty line before the origin", "\n" + good),
        ("an empty line before the size", good.replace("\n", "\n\n", 1)),
        ("an empty origin", body(256, root, "")),
        ("an origin of another log", body(256, root, "example.com/log")),
        ("an origin without a chain", body(256, root, "blue-encrypted-store/audit/")),
        ("a chain in upper case", body(256, root, ORIGIN.upper().replace("BLUE-ENCRYPTED-STORE/AUDIT", "blue-encrypted-store/audit"))),
        ("a chain of 31 digits", body(256, root, ORIGIN[:-1])),
        ("a chain of 33 digits", body(256, root, ORIGIN + "0")),
        ("a chain that climbs", body(256, root, "blue-encrypted-store/audit/../../" + CHAIN[6:])),
    ]:
        yield name, False, note(text)


def loose(text):
    """Set a bit of the last base64 digit before "=" that no byte holds."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return text[:-2] + digits[digits.index(text[-2]) | 1] + "="


# ------------------------------------------------ proofs

def inclusion(index, size):
    hashes = "".join(b64(h) + "\n" for h in path(index, LEAVES[:size]))
    signed = note(body(size, mth(LEAVES[:size])))
    return f"c2sp.org/tlog-proof@v1\nindex {index}\n{hashes}\n{signed}"


def consistency(old, size):
    hashes = "".join(b64(h) + "\n" for h in subproof(old, LEAVES[:size], True))
    signed = note(body(size, mth(LEAVES[:size])))
    return f"old {old}\n{hashes}\n{signed}"


def some(n):
    return sorted({0, 1, 2, n // 2, n - 2, n - 1} & set(range(n)))


def main():
    out = {
        "seed": OWN.seed.hex(),
        "vkey": OWN.vkey(),
        "other_vkey": OTHER.vkey(),
        "chain": CHAIN,
        "leaf": "leaf i, from 0, is SHA-256 of the text \"event {i}\"",
        "checkpoints": list(good_notes()),
        "notes": [{"name": n, "good": good, "note": b64(bytes([0xff, 0xfe]) if text is None else text.encode())} for n, good, text in notes()],
        "inclusion": [{"index": i, "size": n, "text": inclusion(i, n)} for n in SIZES for i in some(n)],
        "consistency": [{"old": i + 1, "size": n, "text": consistency(i + 1, n)} for n in SIZES for i in some(n)],
    }
    names = [n["name"] for n in out["notes"]]
    if len({n["note"] for n in out["notes"]}) != len(names):
        sys.exit("two notes of one text")
    if len(set(names)) != len(names):
        sys.exit("two notes of one name")
    text = json.dumps(out, indent=1, ensure_ascii=True) + "\n"
    (pathlib.Path(sys.argv[1]) / "checkpoint_vectors.json").write_text(text)
    print(f"{len(names)} notes, {sum(not n['good'] for n in out['notes'])} must fail; {len(out['inclusion'])} + {len(out['consistency'])} proofs")


if __name__ == "__main__":
    main()
