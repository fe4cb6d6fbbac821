package envelope

import (
	"crypto/ed25519"
	"strconv"
)

// Sizes of what Public and Endorse return, in bytes.
const (
	PublicSize      = ed25519.PublicKeySize
	EndorsementSize = ed25519.SignatureSize
)

// Public names these keys to whoever does not hold them: the Ed25519 public key
// (RFC 8032) whose seed is HKDF(R, "blue/1/next/{dialogue}/{version}"). Keys of
// another secret have another. blue.ErrSealed once destroyed.
func (k *Keys) Public() (public [PublicSize]byte, err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.dek == nil {
		return public, errDestroyed
	}
	guard(func() { copy(public[:], ed25519.NewKeyFromSeed(k.next[:]).Public().(ed25519.PublicKey)) })
	return public, nil
}

// Endorse signs that the keys with that public key, of the version after this
// one, were made by somebody who holds these:
//
//	LP("blue/1/next") ‖ LP(dialogue) ‖ LP(decimal version of the next) ‖ public
//
// So that nobody but a holder decides what a dialogue is sealed under.
// blue.ErrSealed once destroyed.
func (k *Keys) Endorse(next [PublicSize]byte) (signature [EndorsementSize]byte, err error) {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.dek == nil {
		return signature, errDestroyed
	}
	dialogue, version, err := ParseKeyID(k.id)
	if err != nil {
		return signature, err
	}
	guard(func() {
		copy(signature[:], ed25519.Sign(ed25519.NewKeyFromSeed(k.next[:]), endorsed(dialogue, version+1, next)))
	})
	return signature, nil
}

// Endorsed reports whether a signature is one of Endorse: by the keys with the
// public key by, for version next of the dialogue and its public key.
func Endorsed(by [PublicSize]byte, dialogue string, version uint32, next [PublicSize]byte, signature []byte) bool {
	return len(signature) == EndorsementSize && ed25519.Verify(by[:], endorsed(dialogue, version, next), signature)
}

func endorsed(dialogue string, version uint32, public [PublicSize]byte) []byte {
	text := appendLP(nil, "blue/1/next")
	text = appendLP(text, dialogue)
	text = appendLP(text, strconv.FormatUint(uint64(version), 10))
	return append(text, public[:]...)
}
