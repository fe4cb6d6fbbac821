#!/usr/bin/env python3
"""Read items with only RFC 0058 and the data keys.

    read_item.py deks.json < items.json

items.json is a list of items in DynamoDB-JSON ({"PK": {"S": ...}, ...}).
deks.json is {key_id: data key in hex}. Standard output has one JSON object per
item: {"SK": ..., "payload": ...}, null for an item without encrypted fields.
The first item that does not open ends the run with status 1 and its name.
"""
import base64
import hashlib
import json
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def address(pk, sk):
    """Return the canonical entity address, dialogue:{id}/entity:{type}/{subkey}."""
    dialogue = pk.removeprefix("dialogue#")
    kind, _, subkey = ("dialogue", "", "meta") if sk == "meta" else sk.partition("#")
    return f"dialogue:{dialogue}/entity:{kind}/{subkey}"


def payload(item, deks):
    """Decrypt one item's fields. The AAD is the raw SHA-256 of its address."""
    if "content_encrypted" not in item:
        return None
    aad = hashlib.sha256(address(item["PK"]["S"], item["SK"]["S"]).encode()).digest()
    cipher = AESGCM(bytes.fromhex(deks[item["key_id"]["S"]]))
    nonce = base64.b64decode(item["content_nonce"]["B"], validate=True)
    sealed = base64.b64decode(item["content_encrypted"]["B"], validate=True)
    return json.loads(cipher.decrypt(nonce, sealed, aad))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        deks = json.load(file)
    for item in json.load(sys.stdin):
        name = item.get("PK", {}).get("S", "?") + " " + item.get("SK", {}).get("S", "?")
        try:
            fields = payload(item, deks)
        except (InvalidTag, KeyError, ValueError, TypeError) as error:
            sys.exit(f"{name}: does not open ({type(error).__name__})")
        print(json.dumps({"SK": item["SK"]["S"], "payload": fields}, ensure_ascii=False))


if __name__ == "__main__":
    main()
