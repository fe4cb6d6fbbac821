#!/usr/bin/env python3
"""Extract NIST's CAVP vectors for AES-256-GCM, 96-bit IV, 128-bit tag.

    python3 scripts/extract_nist_kat.py > tests/fixtures/nist_kat_aes_gcm.json

The source are the .rsp files that the package cryptography_vectors ships
(CAVS 14.0, gcmtestvectors). Every value is hex. A decrypt case without "pt"
must fail. The output is the same on every run.
"""
import importlib.resources
import json
import sys

PROFILE = {"Keylen": "256", "IVlen": "96", "Taglen": "128"}
FIELDS = {"Key": "key", "IV": "iv", "PT": "pt", "AAD": "aad", "CT": "ct", "Tag": "tag"}
SOURCES = {"encrypt": ("gcmEncryptExtIV256.rsp", 375, 0), "decrypt": ("gcmDecrypt256.rsp", 375, 191)}


def cases(name):
    """Yield the cases of one file that have the profile."""
    root = importlib.resources.files("cryptography_vectors")
    section, case, fresh = {}, {}, False
    for line in (root / "ciphers" / "AES" / "GCM" / name).read_text().splitlines() + ["Count = end"]:
        line = line.strip()
        if line.startswith("["):
            if case:
                yield case
                case = {}
            if not fresh:
                section, fresh = {}, True
            key, _, value = line.strip("[]").partition("=")
            section[key.strip()] = value.strip()
            continue
        if line:
            fresh = False
        key, _, value = line.partition("=")
        key, value = key.strip(), value.strip()
        if key == "Count":
            if case:
                yield case
            case = {}
            if value != "end" and all(section.get(k) == v for k, v in PROFILE.items()):
                case = {"id": f"pt{section['PTlen']}/aad{section['AADlen']}/{int(value):02d}"}
        elif case and key in FIELDS:
            case[FIELDS[key]] = value


def main():
    out = {"source": "NIST CAVP gcmtestvectors (CAVS 14.0): AES-256-GCM, 96-bit IV, 128-bit tag"}
    for kind, (name, want, want_fail) in SOURCES.items():
        found = sorted(cases(name), key=lambda c: [int(p.lstrip("ptad")) for p in c["id"].split("/")])
        fail = sum("pt" not in c for c in found)
        if (len(found), fail) != (want, want_fail):
            sys.exit(f"{name}: {len(found)} cases, {fail} must fail; expected {want} and {want_fail}")
        out[kind] = found
    lines = [f'"source":{json.dumps(out["source"])}']
    for kind in ("decrypt", "encrypt"):
        rows = ",\n".join(json.dumps(c, sort_keys=True, separators=(",", ":")) for c in out[kind])
        lines.insert(-1, f'"{kind}":[\n{rows}\n]')
    print("{" + ",\n".join(lines) + "}")


if __name__ == "__main__":
    main()
