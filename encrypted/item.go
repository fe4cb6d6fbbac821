package encrypted

import (
	"crypto/hmac"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// The attributes of the envelope (RFC 0058, "Encryption Envelope") and ours.
const (
	attrContent    = "content"           // plain payload, above the seal only
	attrCiphertext = "content_encrypted" // ciphertext ‖ 16-byte tag
	attrNonce      = "content_nonce"     // 12 bytes
	attrKeyID      = "key_id"            // dek#{dialogue}#{version}
	attrAADHash    = "aad_hash"          // 64 hex digits, never trusted
	attrMAC        = "item_mac"          // 32 bytes, on every item
	attrVersion    = "root_version"      // meta only
	attrRoot       = "root_sealed"       // meta only
)

// ours lists the attributes that the seal writes itself.
var ours = []string{attrContent, attrCiphertext, attrNonce, attrKeyID, attrAADHash, attrMAC, attrVersion, attrRoot}

// dialogueOf returns the dialogue of a partition key.
func dialogueOf(pk record.Partition) (string, error) {
	dialogue, ok := pk.Dialogue()
	if !ok || dialogue == "" {
		return "", fmt.Errorf("%w: encrypted: partition key %q", blue.ErrInvalid, pk)
	}
	return dialogue, nil
}

// seal returns a record with its payload encrypted and every attribute under
// its MAC. extra is what meta carries of the root.
func seal(k *envelope.Keys, r record.Record, extra record.Attrs) (record.Record, error) {
	dialogue, err := dialogueOf(r.Key.Partition)
	if err != nil {
		return record.Record{}, err
	}
	addr, err := envelope.ItemAddress(dialogue, r.Key.Item)
	if err != nil {
		return record.Record{}, err
	}
	sealed := r.Clone()
	for _, name := range ours {
		delete(sealed.Attrs, name)
	}
	if content, ok := r.Attrs[attrContent]; ok {
		ciphertext, nonce, err := k.Seal(addr, content.Bin())
		if err != nil {
			return record.Record{}, fmt.Errorf("sealing %s: %w", addr, err)
		}
		sealed.Attrs[attrCiphertext] = record.B(ciphertext)
		sealed.Attrs[attrNonce] = record.B(nonce)
	}
	sealed.Attrs[attrKeyID] = record.S(k.ID())
	sealed.Attrs[attrAADHash] = record.S(addr.Hash())
	for name, v := range extra {
		sealed.Attrs[name] = v
	}
	mac := k.ItemMAC(record.Dialogues, sealed)
	sealed.Attrs[attrMAC] = record.B(mac[:])
	return sealed, nil
}

// open returns a verified record with its payload in attribute content. The
// attributes of the seal stay, so that a later write can be conditioned on
// them.
func open(k *envelope.Keys, r record.Record) (record.Record, error) {
	ciphertext, sealed := r.Attrs[attrCiphertext]
	if !sealed {
		return r, nil
	}
	dialogue, err := dialogueOf(r.Key.Partition)
	if err != nil {
		return record.Record{}, err
	}
	addr, err := envelope.ItemAddress(dialogue, r.Key.Item)
	if err != nil {
		return record.Record{}, err
	}
	content, err := k.Open(addr, ciphertext.Bin(), r.Attrs[attrNonce].Bin())
	if err != nil {
		return record.Record{}, fmt.Errorf("opening %s: %w", addr, err)
	}
	opened := r.Clone()
	opened.Attrs[attrContent] = record.B(content)
	return opened, nil
}

// Lengths in bytes: of item_mac, and of AES-GCM's tag and nonce.
const (
	macSize   = 32
	tagSize   = 16
	nonceSize = 12
)

// authentic reports whether a record's MAC is that of its attributes under
// the key, at the sort key given.
func authentic(k *envelope.Keys, r record.Record, sk string) bool {
	at := record.Record{Key: record.Key{Partition: r.Key.Partition, Item: sk}, Attrs: r.Attrs}
	mac := k.ItemMAC(record.Dialogues, at)
	return hmac.Equal(mac[:], r.Attrs[attrMAC].Bin())
}

// misshapen says why attributes whose MAC fails cannot be an envelope at all,
// or "".
func misshapen(attrs record.Attrs) string {
	ciphertext, nonce := attrs[attrCiphertext], attrs[attrNonce]
	switch {
	case ciphertext.Type() != record.Bytes || len(ciphertext.Bin()) < tagSize:
		return attrCiphertext + " is no ciphertext with its tag"
	case nonce.Type() != record.Bytes || len(nonce.Bin()) != nonceSize:
		return fmt.Sprintf("%s is not %d bytes", attrNonce, nonceSize)
	}
	return ""
}
