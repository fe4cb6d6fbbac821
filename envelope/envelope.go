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
//	payload  a JSON object, then spaces up to the padded length (see pad)
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
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"sync"

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

// openSealed opens a ciphertext whose nonce is stored apart. It returns ErrOpen,
// and checks the lengths before it allocates memory.
func openSealed(aead cipher.AEAD, nonce, ciphertext, aad []byte) ([]byte, error) {
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

// Keys are the keys of one dialogue and version. They are the DEK for payloads,
// K_item for item MACs, K_root for elements and tags, and K_seal for the root. A key
// pair endorses the next version. Keys print as [redacted] and must not be copied.
// All methods may be called concurrently.
//
// After Destroy, the methods that return an error return blue.ErrSealed.
// ItemMAC, Element and Tag panic, because a MAC under no key would be reported
// as damage. A caller of Destroy must be the last user of the Keys.
type Keys struct {
	Redacted
	id      string
	version uint32

	mu   sync.RWMutex
	dek  cipher.AEAD // nil after Destroy
	seal cipher.AEAD
	item *macs
	root *macs
	next [32]byte // seed of the key pair that endorses the next version
}

// DeriveKeys derives the keys from the dialogue's secret R, which the caller may
// destroy afterwards. It returns blue.ErrInvalid for version 0 and for an id that
// a key id cannot contain, and blue.ErrSealed for a destroyed secret.
func DeriveKeys(r *Secret, dialogue string, version uint32) (*Keys, error) {
	return guardedSecrets(func() (*Keys, error) {
		if err := checkVersion(dialogue, version); err != nil {
			return nil, err
		}
		var derived [5]*Secret
		for i, purpose := range [...]string{"dek", "item", "root", "seal", "next"} {
			s, err := r.Derive("blue/1/" + purpose + "/" + dialogue + "/" + versionDecimal(version))
			if err != nil {
				return nil, err
			}
			defer s.Destroy()
			derived[i] = s
		}
		dek, item, root, seal, next := derived[0], derived[1], derived[2], derived[3], derived[4]
		return &Keys{
			id:      keyID(dialogue, version),
			version: version,
			dek:     newAEAD(dek.key),
			seal:    newAEAD(seal.key),
			item:    newMACs(item.key),
			root:    newMACs(root.key),
			next:    [32]byte(next.key[:]),
		}, nil
	})
}

// ID returns the attribute key_id, "dek#{dialogue}#{version}".
func (k *Keys) ID() string { return k.id }

// Version returns the key version, at least 1.
func (k *Keys) Version() uint32 { return k.version }

// Seal pads a payload and encrypts it for one address. The ciphertext ends with
// the 16-byte tag. The nonce is 12 random bytes, so two calls return different
// bytes. Seal returns blue.ErrInvalid if the payload is not a JSON object, and
// blue.ErrSealed after Destroy.
func (k *Keys) Seal(addr Address, payload []byte) (ciphertext, nonce []byte, err error) {
	sealed, err := k.sealWith(&k.dek, payload, addr.AAD())
	if err != nil {
		return nil, nil, err
	}
	return sealed[NonceSize:], sealed[:NonceSize:NonceSize], nil
}

// Open returns the payload that was sealed for the address, without padding. The
// caller must have compared the item's MAC. Open neither keeps nor changes its
// arguments. It returns [ErrOpen], or blue.ErrSealed after Destroy.
func (k *Keys) Open(addr Address, ciphertext, nonce []byte) ([]byte, error) {
	return k.openWith(&k.dek, nonce, ciphertext, addr.AAD())
}

// SealRoot seals the JSON object of a dialogue's root for the address of its
// meta item and one root_version. It returns nonce ‖ ciphertext ‖ tag, padded
// like a payload. It returns blue.ErrInvalid if root is not a JSON object, and
// blue.ErrSealed after Destroy.
func (k *Keys) SealRoot(addr Address, version uint64, root []byte) ([]byte, error) {
	return k.sealWith(&k.seal, root, rootAAD(addr, version))
}

// OpenRoot returns the root that was sealed for the address and version. It
// returns [ErrOpen], or blue.ErrSealed after Destroy.
func (k *Keys) OpenRoot(addr Address, version uint64, sealed []byte) ([]byte, error) {
	nonce, ciphertext := cutNonce(sealed)
	return k.openWith(&k.seal, nonce, ciphertext, rootAAD(addr, version))
}

// sealWith returns nonce ‖ ciphertext ‖ tag of the padded payload. It reads the
// cipher under the lock.
func (k *Keys) sealWith(aead *cipher.AEAD, payload []byte, aad [32]byte) ([]byte, error) {
	padded, err := pad(payload)
	if err != nil {
		return nil, err
	}
	defer clear(padded)
	k.mu.RLock()
	defer k.mu.RUnlock()
	if *aead == nil {
		return nil, errDestroyed
	}
	return (*aead).Seal(nil, nil, padded, aad[:]), nil
}

// openWith reverses sealWith.
func (k *Keys) openWith(aead *cipher.AEAD, nonce, ciphertext []byte, aad [32]byte) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if *aead == nil {
		return nil, errDestroyed
	}
	padded, err := openSealed(*aead, nonce, ciphertext, aad[:])
	if err != nil {
		return nil, err
	}
	return unpad(padded)
}

// rootAAD returns the associated data of a root, which binds it to its dialogue
// and version.
func rootAAD(addr Address, version uint64) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%s/root/%d", addr, version))
}

// Destroy waits for running calls, overwrites the MAC keys with zeros and drops
// the ciphers. The key schedules inside the standard library's ciphers cannot be
// overwritten. The garbage collector frees them. Destroy may be called again.
func (k *Keys) Destroy() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.dek == nil {
		return
	}
	clear(k.item.key[:])
	clear(k.root.key[:])
	clear(k.next[:])
	k.dek, k.seal, k.item, k.root = nil, nil, nil, nil
}

// Sizes in bytes of an endorsement.
const (
	PublicSize      = ed25519.PublicKeySize // PublicSize is the size of a public key of Keys.Public, 32.
	EndorsementSize = ed25519.SignatureSize // EndorsementSize is the size of a signature of Keys.Endorse, 64.
)

// Public returns the Ed25519 public key (RFC 8032) that identifies these keys to
// users who do not hold them. Its seed is HKDF(R, "blue/1/next/{dialogue}/{version}"),
// so keys of another secret have another public key. Public returns
// blue.ErrSealed after Destroy.
func (k *Keys) Public() (public [PublicSize]byte, err error) {
	err = k.withSeed(func(pair ed25519.PrivateKey) { copy(public[:], pair.Public().(ed25519.PublicKey)) })
	return public, err
}

// Endorse signs the public key of the next version:
//
//	LP("blue/1/next") ‖ LP(dialogue) ‖ LP(decimal number of the next version) ‖ public
//
// The signature proves that a holder of these keys made the next version, so that
// an unauthorized writer of the key table cannot choose the secret of a dialogue.
// Endorse returns blue.ErrSealed after Destroy.
func (k *Keys) Endorse(next [PublicSize]byte) (signature [EndorsementSize]byte, err error) {
	dialogue, version, err := ParseKeyID(k.id)
	if err != nil {
		return signature, err
	}
	err = k.withSeed(func(pair ed25519.PrivateKey) {
		copy(signature[:], ed25519.Sign(pair, endorsement(dialogue, version+1, next)))
	})
	return signature, err
}

// withSeed calls f with the key pair, inside guardSecrets.
func (k *Keys) withSeed(f func(ed25519.PrivateKey)) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.dek == nil {
		return errDestroyed
	}
	guardSecrets(func() { f(ed25519.NewKeyFromSeed(k.next[:])) })
	return nil
}

// IsEndorsed reports whether signature is an endorsement of a version's public
// key by the keys with the public key by. These keys belong to the version
// before.
func IsEndorsed(by [PublicSize]byte, dialogue string, version uint32, public [PublicSize]byte, signature []byte) bool {
	return len(signature) == EndorsementSize && ed25519.Verify(by[:], endorsement(dialogue, version, public), signature)
}

// endorsement returns the text that Endorse signs.
func endorsement(dialogue string, version uint32, public [PublicSize]byte) []byte {
	text := appendLP(appendLP(nil, "blue/1/next"), dialogue)
	return append(appendLP(text, versionDecimal(version)), public[:]...)
}
