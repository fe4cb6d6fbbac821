// Package envelope converts bytes to sealed bytes and back. It defines the
// canonical address of an item, the associated data, the padding, AES-256-GCM,
// the MAC of an item, the sealed root, and the wrap of a dialogue's secret.
//
// A reader in another language must rebuild all of this bit by bit. The package
// has no I/O, no context and no state other than key schedules. These are in
// other packages:
//
//   - Package keys decides where keys come from and who may use them.
//   - Package encrypted decides when an item is sealed and what a failure
//     means for a dialogue.
//   - Package record defines the attributes of a record, and internal/engine
//     the fields of a payload.
//
// # Sealing an item
//
// [DeriveKeys] derives the [Keys] of one dialogue and version from the
// dialogue's [Secret]. [Keys.Seal] encrypts a payload for one [Address], and
// [Keys.ItemMAC] authenticates the record that holds it. A reader must compare
// the MAC before it calls [Keys.Open].
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
//	payload  a JSON object, then spaces up to the padded length (padding.go)
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
// Versions are in shortest decimal. AES-GCM alone does not commit to its key:
// two keys can open one ciphertext. item_mac does, because its key is derived
// from the same R.
//
// The only AEAD in use is cipher.NewGCMWithRandomNonce. It works under
// GODEBUG=fips140=only, and no caller can choose a nonce. One key must seal at
// most 2^32 messages (NIST SP 800-38D, section 8.3). The caller must count them.
package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	blue "github.com/superviber/blue-encrypted-store"
)

// ErrOpen is the only error for a ciphertext that does not open, so that an
// attacker cannot distinguish a wrong key, address, nonce, tag, length or
// padding.
var ErrOpen = errors.New("cannot open the envelope")

// Sizes in bytes.
const (
	NonceSize = 12 // NonceSize is the size of content_nonce (NIST SP 800-38D, section 5.2.1.1).
	TagSize   = 16 // TagSize is the size of the tag at the end of every ciphertext.
	WrapSize  = 60 // WrapSize is the size of a wrapped secret: nonce 12, ciphertext 32, tag 16.
)

// newAEAD returns AES-256-GCM. Its Seal puts a random nonce before the
// ciphertext.
func newAEAD(key *[secretSize]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("envelope: " + err.Error()) // cannot happen with 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("envelope: " + err.Error())
	}
	return aead
}

// open opens a ciphertext whose nonce is stored apart. It returns ErrOpen, and
// checks the lengths before it allocates memory.
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

// cutNonce splits nonce ‖ ciphertext. The nonce is too short if sealed is.
func cutNonce(sealed []byte) (nonce, ciphertext []byte) {
	n := min(NonceSize, len(sealed))
	return sealed[:n], sealed[n:]
}

// appendLP appends LP(x).
func appendLP[T ~string | ~[]byte](b []byte, x T) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(len(x)))
	return append(b, x...)
}

// minPadded is the smallest padded length in bytes. Most labels fit it, so they
// have equal lengths.
const minPadded = 64

// paddedLen returns the padded length, in bytes, of a payload of n bytes. It is
// at least 64. A larger length is rounded up by Padmé (Nikitin et al., "Reducing
// Metadata Leakage from Encrypted Files and Communication with PURBs", 2019):
// it keeps as many leading bits as its exponent has bits. The length grows by at
// most 12 %, and an observer learns O(log log n) bits of it.
func paddedLen(n int) int {
	if n <= minPadded {
		return minPadded
	}
	exponent := bits.Len(uint(n)) - 1
	mask := 1<<(exponent-bits.Len(uint(exponent))) - 1
	return (n + mask) &^ mask
}

// pad appends spaces, which every JSON reader skips. It returns blue.ErrInvalid if
// the payload is not a JSON object, because unpad would remove its own spaces.
func pad(payload []byte) ([]byte, error) {
	if !isObject(payload) {
		return nil, fmt.Errorf("%w: the payload is not a JSON object", blue.ErrInvalid)
	}
	padded := make([]byte, paddedLen(len(payload)))
	for i := copy(padded, payload); i < len(padded); i++ {
		padded[i] = ' '
	}
	return padded, nil
}

// unpad reverses pad. It returns ErrOpen for anything that pad does not return.
func unpad(padded []byte) ([]byte, error) {
	payload := bytes.TrimRight(padded, " ")
	if !isObject(payload) || len(padded) != paddedLen(len(payload)) {
		return nil, ErrOpen
	}
	return payload, nil
}

// isObject reports whether a payload begins and ends like a JSON object. The engine
// checks the rest.
func isObject(payload []byte) bool {
	n := len(payload)
	return n >= 2 && payload[0] == '{' && payload[n-1] == '}'
}
