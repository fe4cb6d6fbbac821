// Package envelope turns bytes into sealed bytes and back: canonical address,
// associated data, padding, AES-256-GCM, the per-item MAC, the sealed root and
// the wrap of a dialogue's secret.
//
// What belongs here: everything that a reader in another language has to
// rebuild bit by bit. What does not: where keys come from (keys), when an item
// is sealed and what a failure means for a dialogue (encrypted), the shape of
// a record (record), the fields of a payload (internal/engine). Nothing here
// does I/O, takes a context or keeps state beyond key schedules.
//
// # Format
//
// LP(x) is the length of x as 8 bytes big-endian, then x. ‖ joins bytes.
// Every derived key is 32 bytes of HKDF-SHA256 (RFC 5869) with an empty salt:
//
//	K_wrap = HKDF(KEK, "blue/1/wrap")
//	DEK    = HKDF(R, "blue/1/dek/{dialogue}/{version}")
//	K_item = HKDF(R, "blue/1/item/{dialogue}/{version}")
//	K_root = HKDF(R, "blue/1/root/{dialogue}/{version}")
//	K_seal = HKDF(R, "blue/1/seal/{dialogue}/{version}")
//
// R is the dialogue's secret, 32 random bytes for each dialogue and version.
//
//	address  dialogue:{id}/entity:dialogue/meta   for the sort key "meta"
//	         dialogue:{id}/entity:{kind}/{rest}   for "{kind}#{rest}"
//	AAD      SHA-256(address), 32 raw bytes       (RFC 0058, Amendment 1, Phase B)
//	payload  a JSON object, then spaces up to PaddedLen
//	item     AES-256-GCM(DEK, payload, AAD): ciphertext ‖ 16-byte tag, 12-byte nonce apart
//	item_mac HMAC-SHA256(K_item, LP("blue/1/item") ‖ LP(table) ‖ LP(PK) ‖ LP(SK) ‖ 8-byte count ‖
//	         for each attribute but item_mac, ascending by name:
//	         LP(name) ‖ S|N|B|T ‖ LP(canonical value))
//	element  HMAC-SHA256(K_root, SK ‖ item_mac)
//	tag      first 16 bytes of HMAC-SHA256(K_root, LP("blue/1/tag") ‖ LP(SK) ‖ item_mac)
//	root     nonce ‖ AES-256-GCM(K_seal, a payload, SHA-256(address of meta ‖ "/root/" ‖ version))
//	wrap     nonce ‖ AES-256-GCM(K_wrap, R, SHA-256(LP("blue/1/wrap") ‖ LP(user) ‖ LP(dialogue) ‖ LP(version))),
//	         60 bytes
//
// Versions are shortest decimal. AES-GCM alone does not commit to its key
// (two keys can open one ciphertext); item_mac, under a key derived from the
// same R, does. It is to be checked before Open.
//
// The only AEAD in use is cipher.NewGCMWithRandomNonce, so that the package
// works under GODEBUG=fips140=only and no caller can choose a nonce. One key
// seals at most 2^32 messages (NIST SP 800-38D, section 8.3); counting them is
// the caller's work.
package envelope

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
)

// ErrOpen is the one answer to everything that does not open: a wrong key,
// address, nonce, tag, length or padding. From outside they look alike.
var ErrOpen = errors.New("cannot open the envelope")

const (
	NonceSize = 12 // bytes of content_nonce (NIST SP 800-38D, section 5.2.1.1)
	TagSize   = 16 // bytes of the tag at the end of every ciphertext
	WrapSize  = 60 // bytes of a wrapped secret: nonce, 32, tag

	// MaxPayload is the largest payload, in bytes, that is sure to leave
	// room for 47 KiB of other attributes in a record (record.MaxRecord).
	// It is advice: the limit that holds is the record's.
	MaxPayload = 350 << 10
)

// newAEAD builds AES-256-GCM, whose Seal draws the nonce and puts it first.
func newAEAD(key *[secretSize]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("envelope: " + err.Error()) // 32 bytes always are a key
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("envelope: " + err.Error())
	}
	return aead
}

// open joins what a record keeps apart and opens it. ErrOpen; lengths are
// looked at before anything is allocated.
func open(aead cipher.AEAD, nonce, ciphertext, aad []byte) ([]byte, error) {
	if len(nonce) != NonceSize || len(ciphertext) < TagSize {
		return nil, ErrOpen
	}
	joined := make([]byte, 0, NonceSize+len(ciphertext))
	joined = append(append(joined, nonce...), ciphertext...)
	plain, err := aead.Open(joined[:0], nil, joined, aad)
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// openJoined opens nonce ‖ ciphertext ‖ tag and leaves it as it is. ErrOpen.
func openJoined(aead cipher.AEAD, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < NonceSize+TagSize {
		return nil, ErrOpen
	}
	return open(aead, sealed[:NonceSize], sealed[NonceSize:], aad)
}

// appendLP appends LP(x).
func appendLP[T ~string | ~[]byte](b []byte, x T) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(x)))
	return append(b, x...)
}
