package seal

import (
	"crypto/hmac"
	"fmt"
	"maps"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// The attributes that this package writes. The first four are defined in RFC 0058,
// "Encryption Envelope".
const (
	attrCiphertext = "content_encrypted"
	attrNonce      = "content_nonce"
	attrKeyID      = "key_id"
	attrAADHash    = "aad_hash"
	attrMAC        = "item_mac"
	attrVersion    = "root_version"
	attrRoot       = "root_sealed"

	attrContent = "content" // the plain payload, never stored
)

// macSize is the size of attribute item_mac in bytes.
const macSize = 32

// encrypt returns the stored form of a record. extra are the attributes of the
// root, which only meta has. The stored item is
//
//	PK, SK                S      as in r
//	(clear attributes)           as in r
//	content_encrypted     B      AES-256-GCM of r's attribute content, then the 16-byte tag
//	content_nonce         B  12  random
//	key_id                S      dek#{dialogue}#{version}
//	aad_hash              S  64  SHA-256 of the item's address in hex digits, not read back
//	root_version          N      meta only: the root's version
//	root_sealed           B      meta only: the encrypted root
//	item_mac              B  32  HMAC-SHA256 over the table, PK, SK and every other attribute
//
// An item without content has neither content_encrypted nor content_nonce.
// Package envelope draws the input of the MAC and of the encryption.
func encrypt(k *envelope.Keys, r record.Record, extra record.Attrs) (record.Record, error) {
	addr, err := addressOf(r.Key)
	if err != nil {
		return record.Record{}, err
	}
	sealed := r.Clone()
	for _, name := range []string{attrContent, attrCiphertext, attrNonce, attrKeyID, attrAADHash, attrMAC, attrVersion, attrRoot} {
		delete(sealed.Attrs, name)
	}
	if content, ok := r.Attrs[attrContent]; ok {
		ciphertext, nonce, err := k.Seal(addr, content.Bin())
		if err != nil {
			return record.Record{}, fmt.Errorf("encrypting %s: %w", addr, err)
		}
		sealed.Attrs[attrCiphertext] = record.B(ciphertext)
		sealed.Attrs[attrNonce] = record.B(nonce)
	}
	sealed.Attrs[attrKeyID] = record.S(k.ID())
	sealed.Attrs[attrAADHash] = record.S(addr.Hash())
	maps.Copy(sealed.Attrs, extra)
	mac := k.ItemMAC(record.Dialogues, sealed)
	sealed.Attrs[attrMAC] = record.B(mac[:])
	return sealed, nil
}

// decrypt returns an authentic record with its payload in attribute content. It
// keeps the attributes of the stored form, because a later write is conditioned
// on them.
func decrypt(k *envelope.Keys, r record.Record) (record.Record, error) {
	ciphertext, ok := r.Attrs[attrCiphertext]
	if !ok {
		return r, nil
	}
	addr, err := addressOf(r.Key)
	if err != nil {
		return record.Record{}, err
	}
	content, err := k.Open(addr, ciphertext.Bin(), r.Attrs[attrNonce].Bin())
	if err != nil {
		return record.Record{}, fmt.Errorf("decrypting %s: %w", addr, err)
	}
	opened := r.Clone()
	opened.Attrs[attrContent] = record.B(content)
	return opened, nil
}

func addressOf(key record.Key) (envelope.Address, error) {
	dialogue, err := dialogueOf(record.Dialogues, key.Partition)
	if err != nil {
		return "", err
	}
	return envelope.ItemAddress(dialogue, key.Item)
}

// hasValidMAC reports whether the MAC of a record is valid at sort key sk.
func hasValidMAC(k *envelope.Keys, r record.Record, sk string) bool {
	r.Key.Item = sk
	mac := k.ItemMAC(record.Dialogues, r)
	return hmac.Equal(mac[:], r.Attrs[attrMAC].Bin())
}

// keyIDOf returns the key id of an item if it belongs to the dialogue, else "".
// An audit event must not repeat arbitrary text from the store.
func keyIDOf(dialogue string, attrs record.Attrs) string {
	id := attrs[attrKeyID].Str()
	if owner, _, err := envelope.ParseKeyID(id); err != nil || owner != dialogue {
		return ""
	}
	return id
}

// KeyVersion returns the key version that an item of a dialogue names, or 0.
func KeyVersion(r record.Record) uint32 {
	dialogue, _ := r.Key.Partition.Dialogue()
	owner, version, err := envelope.ParseKeyID(r.Attrs[attrKeyID].Str())
	if err != nil || owner != dialogue {
		return 0
	}
	return version
}

// Identifying returns attributes that identify a stored item, for a condition:
// its MAC, or nil if it has none.
func Identifying(r record.Record) record.Attrs {
	if mac := r.Attrs[attrMAC]; len(mac.Bin()) == macSize {
		return record.Attrs{attrMAC: mac}
	}
	return nil
}
