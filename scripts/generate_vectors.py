#!/usr/bin/env python3
"""Generate the envelope's test vectors, independently of the Go code.

    python3 scripts/generate_vectors.py tests/fixtures

writes envelope_vectors.json and envelope_vectors.json.sha256, the same bytes on
every run. Each vector that must fail fails for one reason. envelope_format.py
reads every vector before it is written. The run ends if a vector fails for
another reason.
"""
import base64
import hashlib
import json
import pathlib
import sys
import unicodedata

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from envelope_format import (
    REASONS, Refused, address, b64, binary, canonical, covered, hkdf, item_mac, lp, mac,
    pad, padded_len, read, root_aad, sha, subkey, wrap_aad)

VECTORS = []
DIALOGUE, VERSION = "storage-choice", 1
TIME = {"S": "2026-03-01T09:30:00.000000000Z"}
PAYLOAD = '{"label":"Latency","description":"Two reads where one would do","contributors":["Éclair"]}'


def seed(name, size=32):
    """Return fixed bytes instead of random ones."""
    return hashlib.sha256(b"blue vectors/" + name.encode()).digest()[:size]


def add(name, op, expect="ok", **fields):
    v = {"name": name, "op": op, "expect": expect, **fields}
    try:
        v["want"], got = read(v), "ok"
    except Refused as refused:
        got = refused.args[0]
    if got != expect or expect not in REASONS and expect != "ok":
        sys.exit(f"{name}: expected {expect}, got {got}")
    VECTORS.append(v)


def sealed_item(name, sk, payload=PAYLOAD, *, dialogue=DIALOGUE, version=VERSION, attrs=None, plain=None, aad=None, key=None, change=None, table="blue_dialogues"):
    """Return a correct item with the changes of the keywords and a correct MAC."""
    secret = seed(f"secret/{dialogue}/{version}")
    addr = address(dialogue, sk)
    nonce = seed("nonce/" + name, 12)
    sealed = AESGCM(key or subkey(secret, "dek", dialogue, version)).encrypt(
        nonce, pad(payload.encode()) if plain is None else plain, sha(addr) if aad is None else aad)
    item = {
        "PK": {"S": "dialogue#" + dialogue}, "SK": {"S": sk}, "entity_type": {"S": sk.partition("#")[0]},
        "created_at": TIME, "updated_at": TIME, **(attrs or {}),
        "content_encrypted": b64(sealed), "content_nonce": b64(nonce),
        "key_id": {"S": f"dek#{dialogue}#{version}"}, "aad_hash": {"S": sha(addr).hex()},
    }
    if change:
        change(item)
    item["item_mac"] = b64(item_mac(subkey(secret, "item", dialogue, version), table, item))
    return {"secret": secret.hex(), "table": table, "item": item}


def item(name, sk, payload=PAYLOAD, expect="ok", after=None, **keywords):
    """Add an item vector. after(item) changes it after its MAC is computed."""
    fields = sealed_item(name, sk, payload, **keywords)
    if after:
        after(fields["item"])
    add("item/" + name, "item", expect, **fields)


def flip(data, bit):
    out = bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)


def alter(name, function):
    """Return a change of one binary attribute."""
    return lambda it: it.update({name: b64(function(binary(it, name)))})


def put(name, value):
    return lambda it: it.update({name: value})


def drop(name):
    return lambda it: it.pop(name)


def rename(old, new):
    return lambda it: it.update({new: it.pop(old)})


def swap(a, b):
    return lambda it: it.update({a: it[b], b: it[a]})


def good_items():
    event = "event#tension#T0001#2026-03-01T09:30:00.000000000Z"
    for name, sk, attrs in [
        ("meta", "meta", {"status": {"S": "open"}, "total_rounds": {"N": "3"}, "calibrated": {"BOOL": True}, "root_version": {"N": "7"}}),
        ("expert", "expert#éclair", {"tier": {"S": "core"}, "relevance": {"S": "0.95"}, "total_score": {"N": "-12"}}),
        ("round", "round#00", {"status": {"S": "open"}, "score": {"N": "0"}}),
        ("verdict", "verdict#final", {"verdict_type": {"S": "final"}, "round": {"N": "2"}}),
        ("perspective", "perspective#01#02", {"status": {"S": "open"}}),
        ("tension", "tension#00#01", {"status": {"S": "open"}, "GSI2PK": {"S": "tension_status#open"}, "GSI2SK": {"S": "storage-choice#T0001"}}),
        ("recommendation", "recommendation#99#99", {"status": {"S": "proposed"}}),
        ("evidence", "evidence#00#03", {"status": {"S": "cited"}}),
        ("claim", "claim#00#01", {"status": {"S": "asserted"}}),
        ("move", "move#01#éclair#01", {"move_type": {"S": "defend"}}),
        ("event", event, {"event_type": {"S": "created"}}),
        ("event-same-moment", event + "-02", {"event_type": {"S": "addressed"}}),
    ]:
        item(name, sk, attrs=attrs)
    item("unicode-id", "tension#00#01", dialogue="größe-der-daten-大きさ")
    item("greatest-version", "tension#00#01", version=(1 << 32) - 1)
    item("empty-object", "tension#00#01", "{}")
    item("exactly-one-bucket", "tension#00#01", '{"a":"' + "x" * 56 + '"}')
    item("one-byte-more-than-a-bucket", "tension#00#01", '{"a":"' + "x" * 57 + '"}')
    item("long", "tension#00#01", '{"a":"' + "語" * 1365 + '"}')
    item("int64-bounds", "tension#00#01", attrs={"least": {"N": str(-(1 << 63))}, "most": {"N": str((1 << 63) - 1)}})
    item("empty-values", "tension#00#01", attrs={"none": {"S": ""}, "nothing": {"B": ""}, "off": {"BOOL": False}})
    item("names-in-byte-order", "tension#00#01", attrs={"Z": {"S": "1"}, "a": {"S": "2"}, "a_b": {"S": "3"}, "ab": {"S": "4"}, "B1": {"S": "5"}})
    item("names-of-a-store-are-outside", "tension#00#01", after=put("_pending", {"S": "anything"}))
    item("aad-hash-is-never-trusted", "tension#00#01", change=put("aad_hash", {"S": "0" * 64}))


def bad_seals():
    """Add items with a correct MAC and a wrong sealed payload."""
    sk, here = "tension#00#01", address(DIALOGUE, "tension#00#01")
    for name, aad in [
        ("of-another-dialogue", sha(address("storage-choices", sk))),
        ("of-another-kind", sha(address(DIALOGUE, "evidence#00#01"))),
        ("of-another-subkey", sha(address(DIALOGUE, "tension#00#02"))),
        ("of-meta", sha(address(DIALOGUE, "meta"))),
        ("aad-in-hex", sha(here).hex().encode()),
        ("aad-of-pk-and-sk", sha(f"dialogue#{DIALOGUE}{sk}")),
        ("aad-not-hashed", here.encode()),
        ("aad-hashed-twice", sha(sha(here))),
        ("aad-absent", b""),
        ("aad-of-a-root", root_aad(DIALOGUE, 1)),
        ("address-with-hash-sign", sha(f"dialogue:{DIALOGUE}/entity:{sk}")),
    ]:
        item(name, sk, expect="aead", aad=aad)
    item("meta-sealed-as-tension", "meta", expect="aead", aad=sha(here))
    item("id-decomposed", sk, expect="aead", dialogue="größe", aad=sha(address(unicodedata.normalize("NFD", "größe"), sk)))
    secret = seed(f"secret/{DIALOGUE}/{VERSION}")
    for name, key in [
        ("key-of-another-version", subkey(seed(f"secret/{DIALOGUE}/2"), "dek", DIALOGUE, 2)),
        ("key-of-another-version-same-secret", subkey(secret, "dek", DIALOGUE, 2)),
        ("key-of-another-dialogue-same-secret", subkey(secret, "dek", "storage-choices", VERSION)),
        ("key-of-macs", subkey(secret, "item", DIALOGUE, VERSION)),
        ("key-of-roots", subkey(secret, "seal", DIALOGUE, VERSION)),
        ("secret-itself-as-key", secret),
    ]:
        item(name, sk, expect="aead", key=key)
    ct, nonce = "content_encrypted", "content_nonce"
    for name, change in [
        ("ciphertext-first-bit", alter(ct, lambda b: flip(b, 0))),
        ("ciphertext-last-bit", alter(ct, lambda b: flip(b, len(b) * 8 - 129))),
        ("tag-first-bit", alter(ct, lambda b: flip(b, len(b) * 8 - 128))),
        ("tag-last-bit", alter(ct, lambda b: flip(b, len(b) * 8 - 1))),
        ("nonce-bit", alter(nonce, lambda b: flip(b, 50))),
        ("nonce-reversed", alter(nonce, lambda b: b[::-1])),
        ("one-byte-short", alter(ct, lambda b: b[:-1])),
        ("one-byte-long", alter(ct, lambda b: b + b"\0")),
        ("tag-of-12-bytes", alter(ct, lambda b: b[:-4])),
        ("tag-in-front", alter(ct, lambda b: b[-16:] + b[:-16])),
        ("tag-alone", alter(ct, lambda b: b[-16:])),
        ("nonce-in-front-too", lambda it: it.update({ct: b64(binary(it, nonce) + binary(it, ct))})),
    ]:
        item(name, sk, expect="aead", change=change)
    for name, change in [
        ("nonce-of-11-bytes", alter(nonce, lambda b: b[:-1])),
        ("nonce-of-13-bytes", alter(nonce, lambda b: b + b"\0")),
        ("nonce-empty", put(nonce, {"B": ""})),
        ("nonce-absent", drop(nonce)),
        ("nonce-as-text", lambda it: it.update({nonce: {"S": binary(it, nonce).hex()}})),
        ("ciphertext-of-15-bytes", alter(ct, lambda b: b[:15])),
        ("ciphertext-empty", put(ct, {"B": ""})),
        ("ciphertext-absent", drop(ct)),
        ("ciphertext-as-text", lambda it: it.update({ct: {"S": it[ct]["B"]}})),
    ]:
        item(name, sk, expect="length", change=change)
    body = PAYLOAD.encode()
    gap = padded_len(len(body)) - len(body)
    for name, plain in [
        ("not-padded", body),
        ("padded-with-tabs", body + b"\t" * gap),
        ("padded-with-zeros", body + b"\0" * gap),
        ("padded-in-front", b" " * gap + body),
        ("one-space-short", pad(body)[:-1]),
        ("one-bucket-too-many", pad(body) + b" " * 8),
        ("bucket-below-64", b"{}" + b" " * 30),
        ("array-for-object", pad(b'["label"]')),
        ("nothing-but-spaces", b" " * 64),
        ("empty", b""),
    ]:
        item("plaintext-" + name, sk, expect="padding", plain=plain)


def bad_macs():
    """Add items that open, but whose MAC belongs to another item."""
    sk, table = "tension#00#01", "blue_dialogues"
    attrs = {"status": {"S": "open"}, "round": {"N": "1"}, "flag": {"BOOL": True}}
    secret = seed(f"secret/{DIALOGUE}/{VERSION}")
    key = subkey(secret, "item", DIALOGUE, VERSION)

    def remade(function):
        return lambda it: it.update({"item_mac": b64(function(it))})

    def head(it, count=8):
        return lp("blue/1/item") + lp(table) + lp(it["PK"]["S"]) + lp(sk) + (len(covered(it)).to_bytes(8, "big") if count else b"")

    def body(it, names=None, one=lambda it, n: lp(n) + canonical(it[n])):
        return b"".join(one(it, n) for n in names or covered(it))

    for name, after in [
        ("attribute-changed", put("status", {"S": "resolved"})),
        ("attribute-added", put("priority", {"S": "high"})),
        ("attribute-removed", drop("status")),
        ("attribute-renamed", rename("status", "state")),
        ("attribute-hidden", rename("status", "_status")),
        ("attribute-emptied", put("status", {"S": ""})),
        ("number-as-text", put("round", {"S": "1"})),
        ("truth-as-number", put("flag", {"N": "1"})),
        ("text-as-bytes", put("status", b64(b"open"))),
        ("number-changed", put("round", {"N": "2"})),
        ("truth-changed", put("flag", {"BOOL": False})),
        ("values-swapped", swap("status", "entity_type")),
        ("time-changed", put("updated_at", {"S": "2026-03-01T09:30:00.000000001Z"})),
        ("aad-hash-changed", put("aad_hash", {"S": "0" * 64})),
        ("key-version-changed", put("key_id", {"S": f"dek#{DIALOGUE}#2"})),
        ("payload-of-an-older-version", lambda it: it.update(
            {n: sealed_item("older", sk)["item"][n] for n in ("content_encrypted", "content_nonce")})),
        ("moved-to-another-key", put("SK", {"S": "tension#00#02"})),
        ("moved-to-meta", put("SK", {"S": "meta"})),
        ("moved-to-another-dialogue", lambda it: it.update(
            {"PK": {"S": "dialogue#storage-choices"}, "key_id": {"S": "dek#storage-choices#1"}})),
        ("mac-bit", alter("item_mac", lambda b: flip(b, 255))),
        ("mac-of-zeros", put("item_mac", b64(bytes(32)))),
        ("mac-under-k-root", remade(lambda it: item_mac(subkey(secret, "root", DIALOGUE, VERSION), table, it))),
        ("mac-under-dek", remade(lambda it: item_mac(subkey(secret, "dek", DIALOGUE, VERSION), table, it))),
        ("mac-of-another-table", remade(lambda it: item_mac(key, "blue_audit", it))),
        ("mac-of-a-prefixed-table", remade(lambda it: item_mac(key, "test_blue_dialogues", it))),
        ("mac-without-count", remade(lambda it: mac(key, head(it, 0) + body(it)))),
        ("mac-unsorted", remade(lambda it: mac(key, head(it) + body(it, covered(it)[::-1])))),
        ("mac-without-types", remade(lambda it: mac(key, head(it) + body(it, one=lambda it, n: lp(n) + canonical(it[n])[1:])))),
        ("mac-with-32-bit-lengths", remade(lambda it: mac(key, head(it) + body(it, one=lambda it, n: lp(n)[4:] + canonical(it[n]))))),
        ("mac-is-a-plain-hash", remade(lambda it: sha(head(it) + body(it)))),
    ]:
        item(name, sk, expect="mac", attrs=attrs, after=after)
    for name, after in [
        ("mac-absent", drop("item_mac")),
        ("mac-empty", put("item_mac", {"B": ""})),
        ("mac-of-16-bytes", alter("item_mac", lambda b: b[:16])),
        ("mac-of-31-bytes", alter("item_mac", lambda b: b[:31])),
        ("mac-of-33-bytes", alter("item_mac", lambda b: b + b"\0")),
        ("mac-as-text", lambda it: it.update({"item_mac": {"S": binary(it, "item_mac").hex()}})),
    ]:
        item(name, sk, expect="mac_length", attrs=attrs, after=after)
    item("key-id-of-another-dialogue", sk, expect="key_id", change=put("key_id", {"S": "dek#storage-choices#1"}))
    item("key-id-absent", sk, expect="key_id", change=drop("key_id"))


def root(name, expect="ok", *, dialogue=DIALOGUE, root_version=7, key=None, aad=None, plain=None, change=None):
    secret = seed(f"secret/{dialogue}/{VERSION}")
    nonce, text = seed("nonce/root/" + name, 12), b'{"version":7,"count":42}'
    sealed = nonce + AESGCM(key or subkey(secret, "seal", dialogue, VERSION)).encrypt(
        nonce, pad(text) if plain is None else plain, aad or root_aad(dialogue, root_version))
    add("root/" + name, "root", expect, **{"secret": secret.hex(), "dialogue": dialogue, "key_version": VERSION, "root_version": str(root_version),
        "root_sealed": base64.b64encode(change(sealed) if change else sealed).decode()})


def roots():
    secret = seed(f"secret/{DIALOGUE}/{VERSION}")
    root("plain")
    root("first-version", root_version=1)
    root("great-version", root_version=1 << 53)
    root("unicode-id", dialogue="größe")
    root("read-as-another-version", "aead", root_version=8, aad=root_aad(DIALOGUE, 7))
    root("read-as-another-dialogue", "aead", aad=root_aad("storage-choices", 7))
    root("version-with-leading-zero", "aead", aad=sha(address(DIALOGUE, "meta") + "/root/07"))
    root("aad-of-meta", "aead", aad=sha(address(DIALOGUE, "meta")))
    root("under-dek", "aead", key=subkey(secret, "dek", DIALOGUE, VERSION))
    root("under-k-root", "aead", key=subkey(secret, "root", DIALOGUE, VERSION))
    root("under-another-key-version", "aead", key=subkey(secret, "seal", DIALOGUE, 2))
    root("nonce-bit", "aead", change=lambda b: flip(b, 0))
    root("ciphertext-bit", "aead", change=lambda b: flip(b, 96))
    root("tag-bit", "aead", change=lambda b: flip(b, len(b) * 8 - 1))
    root("nonce-at-the-end", "aead", change=lambda b: b[12:] + b[:12])
    root("one-byte-short", "aead", change=lambda b: b[:-1])
    root("27-bytes", "length", change=lambda b: b[:27])
    root("empty", "length", change=lambda b: b"")
    root("not-padded", "padding", plain=b'{"version":7,"count":42}')


def wrap(name, expect="ok", *, user="ada", dialogue=DIALOGUE, version=VERSION, key=None, aad=None, change=None):
    kek, secret, nonce = seed("kek/ada"), seed(f"secret/{DIALOGUE}/{VERSION}"), seed("nonce/wrap/" + name, 12)
    wrapped = nonce + AESGCM(key or hkdf(kek, "blue/1/wrap")).encrypt(nonce, secret, aad or wrap_aad(user, dialogue, version))
    add("wrap/" + name, "wrap", expect, kek=kek.hex(), user=user, dialogue=dialogue, key_version=version,
        wrapped=base64.b64encode(change(wrapped) if change else wrapped).decode())


def wraps():
    wrap("plain")
    wrap("unicode-names", user="zoë@example.org", dialogue="größe")
    wrap("greatest-version", version=(1 << 32) - 1)
    wrap("of-another-user", "aead", aad=wrap_aad("bob", DIALOGUE, VERSION))
    wrap("of-another-dialogue", "aead", aad=wrap_aad("ada", "storage-choices", VERSION))
    wrap("of-another-version", "aead", aad=wrap_aad("ada", DIALOGUE, 2))
    wrap("names-joined-without-lengths", "aead", aad=sha(f"blue/1/wrapada{DIALOGUE}1"))
    wrap("aad-not-hashed", "aead", aad=lp("blue/1/wrap") + lp("ada") + lp(DIALOGUE) + lp("1"))
    wrap("version-in-binary", "aead", aad=sha(lp("blue/1/wrap") + lp("ada") + lp(DIALOGUE) + lp(VERSION.to_bytes(4, "big"))))
    wrap("under-the-kek-itself", "aead", key=seed("kek/ada"))
    wrap("under-another-kek", "aead", key=hkdf(seed("kek/bob"), "blue/1/wrap"))
    wrap("nonce-bit", "aead", change=lambda b: flip(b, 0))
    wrap("ciphertext-bit", "aead", change=lambda b: flip(b, 96))
    wrap("tag-bit", "aead", change=lambda b: flip(b, 479))
    wrap("59-bytes", "length", change=lambda b: b[:-1])
    wrap("61-bytes", "length", change=lambda b: b + b"\0")
    wrap("empty", "length", change=lambda b: b"")


def texts():
    """Add addresses, key ids, paddings, sums and derivations."""
    add("address/colon-in-rest", "address", dialogue="a", sk="event#tension#T0001#2026-03-01T09:30:00Z")
    add("address/slash-in-rest", "address", dialogue="a", sk="verdict#b/c")
    add("address/of-the-rfc", "address", dialogue="nvidia-analysis", sk="perspective#01#02")
    for name, dialogue, sk in [
        ("id-empty", "", "meta"), ("id-with-slash", "a/b", "meta"), ("id-with-hash-sign", "a#b", "meta"), ("id-with-colon", "a:b", "meta"),
        ("id-with-nul", "a\0b", "meta"), ("id-with-newline", "a\n", "meta"), ("id-with-c1-control", "a\x85", "meta"),
        ("sk-empty", "a", ""), ("sk-without-subkey", "a", "tension"), ("sk-with-empty-subkey", "a", "tension#"), ("sk-without-kind", "a", "#00#01"),
        ("sk-upper-case-meta", "a", "META"), ("kind-of-meta", "a", "dialogue#meta"), ("kind-with-slash", "a", "tension/00#01"), ("sk-with-tab", "a", "tension#\t"),
    ]:
        add("address/" + name, "address", "address", dialogue=dialogue, sk=sk)
    add("key-id/plain", "key_id", key_id="dek#storage-choice#1")
    add("key-id/greatest", "key_id", key_id="dek#größe#4294967295")
    for name, text in [
        ("empty", ""), ("version-0", "dek#a#0"), ("leading-zero", "dek#a#01"), ("plus-sign", "dek#a#+1"), ("minus", "dek#a#-1"), ("too-great", "dek#a#4294967296"),
        ("far-too-great", "dek#a#18446744073709551617"), ("no-version", "dek#a#"), ("no-second-part", "dek#a"), ("no-dialogue", "dek##1"), ("upper-case", "DEK#a#1"),
        ("space", "dek#a#1 "), ("underscore", "dek#a#1_0"), ("hex", "dek#a#0x1"), ("other-digits", "dek#a#١"), ("four-parts", "dek#a#1#1"), ("slash-in-id", "dek#a/b#1"),
    ]:
        add("key-id/" + name, "key_id", "key_id", key_id=text)
    add("padding/lengths", "padding", lengths=[0, 1, 63, 64, 65, 72, 73, 127, 128, 129, 255, 256, 257, 600, 1000, 4096, 4097, 65535, 65537, 100_000, 358_400])
    ones, one, e = "f" * 64, "0" * 63 + "1", [seed(f"element/{i}").hex() for i in range(3)]
    for name, plus, minus in [
        ("nothing", [], []), ("carry-through-all-words", [ones, one], []), ("borrow-through-all-words", [], [one]),
        ("carry-between-words", ["0" * 48 + "f" * 16, one], []), ("three", e, []), ("two-of-three", e, [e[1]]), ("below-zero", [e[0]], [e[1], e[2]]),
    ]:
        add("sum/" + name, "sum", add=plus, sub=minus)
    for info in ["blue/1/kek/ada", "blue/1/kek/zoë@example.org", "blue/1/wrap", "blue/1/umk-fingerprint", "blue/1/dek/storage-choice/1"]:
        add("derive/" + info, "derive", secret=seed("umk").hex(), info=info)


def main():
    for group in (good_items, bad_seals, bad_macs, roots, wraps, texts):
        group()
    names = [v["name"] for v in VECTORS]
    if len(set(names)) != len(names):
        sys.exit("two vectors of one name")
    head = {"format": "blue/1", "count": len(VECTORS), "must_fail": sum(v["expect"] != "ok" for v in VECTORS), "reasons": REASONS}
    rows = ",\n".join(json.dumps(v, ensure_ascii=True, sort_keys=True) for v in VECTORS)
    text = json.dumps(head, indent=1)[:-2] + ',\n "vectors": [\n' + rows + "\n]}\n"
    json.loads(text)
    folder = pathlib.Path(sys.argv[1])
    (folder / "envelope_vectors.json").write_bytes(text.encode())
    digest = hashlib.sha256(text.encode()).hexdigest()
    (folder / "envelope_vectors.json.sha256").write_text(f"{digest}  envelope_vectors.json\n")
    print(f"{head['count']} vectors, {head['must_fail']} must fail")


if __name__ == "__main__":
    main()
