package envelope

import (
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"strconv"
	"sync"
)

// Keys are the keys of one dialogue and version, ready to use: DEK for
// payloads, K_item for item MACs, K_root for elements and tags, K_seal for the
// root, and a pair that endorses the keys of the version after (Endorse). All methods may be called concurrently. Like a Secret they print as
// [redacted] and must not be copied.
//
// After Destroy, Seal, Open, SealRoot, OpenRoot, Public and Endorse return blue.ErrSealed.
// ItemMAC, Element and Tag have no error to return and panic, because a MAC
// under no key would read as damage: who destroys Keys must be their last user.
type Keys struct {
	redacted
	id      string
	version uint32

	mu   sync.RWMutex
	dek  cipher.AEAD // nil once destroyed
	seal cipher.AEAD
	item *macs
	root *macs
	next [32]byte // seed of the pair that endorses the version after
}

// DeriveKeys derives the keys from the dialogue's secret R, which may be
// destroyed afterwards. ErrInvalid for an id that no key id can hold and for
// version 0, blue.ErrSealed for a destroyed secret.
func DeriveKeys(r *Secret, dialogue string, version uint32) (k *Keys, err error) {
	guard(func() { k, err = deriveKeys(r, dialogue, version) })
	return k, err
}

func deriveKeys(r *Secret, dialogue string, version uint32) (*Keys, error) {
	if err := checkVersion(dialogue, version); err != nil {
		return nil, err
	}
	var derived [5]*Secret
	for i, purpose := range [...]string{"dek", "item", "root", "seal", "next"} {
		s, err := r.Derive("blue/1/" + purpose + "/" + dialogue + "/" + strconv.FormatUint(uint64(version), 10))
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
}

// ID returns the attribute key_id, "dek#{dialogue}#{version}".
func (k *Keys) ID() string { return k.id }

// Version returns the version, at least 1.
func (k *Keys) Version() uint32 { return k.version }

// Seal pads a payload, a JSON object, and encrypts it for one address. The
// ciphertext ends with the 16-byte tag; the nonce is 12 random bytes. Sealing
// twice gives different bytes. ErrInvalid if the payload is not an object.
func (k *Keys) Seal(addr Address, payload []byte) (ciphertext, nonce []byte, err error) {
	sealed, err := k.sealWith(func() cipher.AEAD { return k.dek }, payload, addr.AAD())
	if err != nil {
		return nil, nil, err
	}
	return sealed[NonceSize:], sealed[:NonceSize:NonceSize], nil
}

// Open returns the payload that was sealed for the address, without its
// padding. ErrOpen; the caller has checked the item's MAC before. Neither
// argument is kept or changed.
func (k *Keys) Open(addr Address, ciphertext, nonce []byte) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.dek == nil {
		return nil, errDestroyed
	}
	aad := addr.AAD()
	padded, err := open(k.dek, nonce, ciphertext, aad[:])
	if err != nil {
		return nil, err
	}
	return unpad(padded)
}

// SealRoot seals the JSON object of a dialogue's root for the address of its
// meta and one root_version: nonce ‖ ciphertext ‖ tag, padded like a payload.
// ErrInvalid if root is not an object.
func (k *Keys) SealRoot(addr Address, version uint64, root []byte) ([]byte, error) {
	return k.sealWith(func() cipher.AEAD { return k.seal }, root, rootAAD(addr, version))
}

// OpenRoot returns the root that was sealed for the address and version. ErrOpen.
func (k *Keys) OpenRoot(addr Address, version uint64, sealed []byte) ([]byte, error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.seal == nil {
		return nil, errDestroyed
	}
	aad := rootAAD(addr, version)
	padded, err := openJoined(k.seal, sealed, aad[:])
	if err != nil {
		return nil, err
	}
	return unpad(padded)
}

// sealWith returns nonce ‖ ciphertext ‖ tag; the cipher is read under the lock.
func (k *Keys) sealWith(aead func() cipher.AEAD, payload []byte, aad [32]byte) ([]byte, error) {
	padded, err := pad(payload)
	if err != nil {
		return nil, err
	}
	defer clear(padded)
	k.mu.RLock()
	defer k.mu.RUnlock()
	c := aead()
	if c == nil {
		return nil, errDestroyed
	}
	return c.Seal(nil, nil, padded, aad[:]), nil
}

// rootAAD binds a root to its dialogue and its place in time.
func rootAAD(addr Address, version uint64) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%s/root/%d", addr, version))
}

// Destroy overwrites the MAC keys with zeros and drops the ciphers once calls
// under way have ended. Key schedules inside the standard library's ciphers
// cannot be overwritten; they go with the garbage collector. It may be called
// more than once.
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
