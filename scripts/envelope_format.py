"""Read the envelope's format strictly, written from docs/format.md alone.

It shares no code with the Go packages. generate_vectors.py uses this module.
"""
import base64
import hashlib
import hmac
import unicodedata

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

REASONS = {
    "key_id": "key_id is absent, not canonical, or not of the item's dialogue",
    "address": "dialogue and sort key have no canonical address",
    "mac_length": "item_mac is absent or not 32 bytes of type B",
    "mac": "item_mac does not hold",
    "length": "nonce, ciphertext, sealed root or wrap has an impossible length or type",
    "aead": "AES-256-GCM refuses",
    "padding": "AES-256-GCM opens, but the plaintext is not a padded JSON object",
}


def hkdf(secret, info):
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info.encode()).derive(secret)


def subkey(secret, purpose, dialogue, version):
    return hkdf(secret, f"blue/1/{purpose}/{dialogue}/{version}")


def lp(x):
    x = x.encode() if isinstance(x, str) else x
    return len(x).to_bytes(8, "big") + x


def sha(x):
    return hashlib.sha256(x.encode() if isinstance(x, str) else x).digest()


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def is_control(text):
    return any(unicodedata.category(c) == "Cc" for c in text)


class Refused(Exception):
    """A refusal with one of REASONS."""


def check_dialogue(dialogue):
    return dialogue != "" and not any(c in "/#:" for c in dialogue) and not is_control(dialogue)


def address(dialogue, sk):
    if not check_dialogue(dialogue):
        raise Refused("address")
    if sk == "meta":
        return f"dialogue:{dialogue}/entity:dialogue/meta"
    kind, _, rest = sk.partition("#")
    if kind in ("", "dialogue") or rest == "" or any(c in "/:" for c in kind) or is_control(sk):
        raise Refused("address")
    return f"dialogue:{dialogue}/entity:{kind}/{rest}"


def parse_key_id(text):
    parts = text.split("#")
    if len(parts) != 3 or parts[0] != "dek" or not check_dialogue(parts[1]):
        raise Refused("key_id")
    digits = parts[2]
    if not (digits.isascii() and digits.isdigit()) or digits[0] == "0" or not 1 <= int(digits) < 1 << 32:
        raise Refused("key_id")
    return parts[1], int(digits)


def padded_len(n):
    """Return the Padme bucket of a size, at least 64 bytes."""
    if n <= 64:
        return 64
    exponent = n.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    return -(-n // step) * step


def pad(payload):
    return payload + b" " * (padded_len(len(payload)) - len(payload))


def unpad(padded):
    payload = padded.rstrip(b" ")
    if len(payload) < 2 or payload[:1] + payload[-1:] != b"{}" or len(padded) != padded_len(len(payload)):
        raise Refused("padding")
    return payload


def gcm_open(key, nonce, ciphertext, aad):
    if len(nonce) != 12 or len(ciphertext) < 16:
        raise Refused("length")
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag:
        raise Refused("aead") from None


def canonical(value):
    (typ, v), = value.items()
    if typ == "S":
        return b"S" + lp(v)
    if typ == "N":
        return b"N" + lp(str(int(v)))
    if typ == "B":
        return b"B" + lp(base64.b64decode(v))
    return b"T" + lp("1" if v else "0")


def covered(item):
    return sorted(n for n in item if n not in ("PK", "SK", "item_mac") and not n.startswith("_"))


def item_mac(key, table, item):
    names = covered(item)
    data = lp("blue/1/item") + lp(table) + lp(item["PK"]["S"]) + lp(item["SK"]["S"]) + len(names).to_bytes(8, "big")
    return mac(key, data + b"".join(lp(n) + canonical(item[n]) for n in names))


def element(key, sk, item_mac_):
    return mac(key, sk.encode() + item_mac_)


def tag(key, sk, item_mac_):
    return mac(key, lp("blue/1/tag") + lp(sk) + item_mac_)[:16]


def root_aad(dialogue, version):
    return sha(f"{address(dialogue, 'meta')}/root/{version}")


def wrap_aad(user, dialogue, version):
    return sha(lp("blue/1/wrap") + lp(user) + lp(dialogue) + lp(str(version)))


def binary(item, name):
    return base64.b64decode(item.get(name, {}).get("B", ""))


def b64(data):
    return {"B": base64.b64encode(data).decode()}


# The reader: one function for each kind of vector.


def read(v):
    """Return what a vector opens to, or raise Refused."""
    return globals()["read_" + v["op"]](v)


def read_item(v):
    item, secret = v["item"], bytes.fromhex(v["secret"])
    dialogue, sk = item["PK"]["S"].removeprefix("dialogue#"), item["SK"]["S"]
    of, version = parse_key_id(item.get("key_id", {}).get("S", ""))
    if of != dialogue:
        raise Refused("key_id")
    addr = address(dialogue, sk)
    keys = {p: subkey(secret, p, dialogue, version) for p in ("dek", "item", "root", "seal")}
    stored = binary(item, "item_mac")
    if len(stored) != 32:
        raise Refused("mac_length")
    if stored != item_mac(keys["item"], v["table"], item):
        raise Refused("mac")
    plain = gcm_open(keys["dek"], binary(item, "content_nonce"), binary(item, "content_encrypted"), sha(addr))
    return {
        "address": addr,
        "aad_hash": sha(addr).hex(),
        "dek": keys["dek"].hex(),
        "k_item": keys["item"].hex(),
        "k_root": keys["root"].hex(),
        "k_seal": keys["seal"].hex(),
        "item_mac": stored.hex(),
        "element": element(keys["root"], sk, stored).hex(),
        "tag": tag(keys["root"], sk, stored).hex(),
        "padded_len": len(plain),
        "payload": unpad(plain).decode(),
    }


def read_root(v):
    sealed, version = base64.b64decode(v["root_sealed"]), v["key_version"]
    aad = root_aad(v["dialogue"], v["root_version"])
    key = subkey(bytes.fromhex(v["secret"]), "seal", v["dialogue"], version)
    return {"aad": aad.hex(), "payload": unpad(gcm_open(key, sealed[:12], sealed[12:], aad)).decode()}


def read_wrap(v):
    wrapped = base64.b64decode(v["wrapped"])
    if len(wrapped) != 60:
        raise Refused("length")
    aad = wrap_aad(v["user"], v["dialogue"], v["key_version"])
    key = hkdf(bytes.fromhex(v["kek"]), "blue/1/wrap")
    return {"aad": aad.hex(), "secret": gcm_open(key, wrapped[:12], wrapped[12:], aad).hex()}


def read_address(v):
    addr = address(v["dialogue"], v["sk"])
    return {"address": addr, "aad_hash": sha(addr).hex()}


def read_key_id(v):
    dialogue, version = parse_key_id(v["key_id"])
    return {"dialogue": dialogue, "version": version}


def read_padding(v):
    return {"padded": [padded_len(n) for n in v["lengths"]]}


def read_sum(v):
    total = sum(int(e, 16) for e in v["add"]) - sum(int(e, 16) for e in v["sub"])
    return {"sum": f"{total % (1 << 256):064x}"}


def read_derive(v):
    return {"key": hkdf(bytes.fromhex(v["secret"]), v["info"]).hex()}
