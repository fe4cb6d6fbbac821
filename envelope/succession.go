package envelope

import "crypto/ed25519"

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

// withSeed calls f with the key pair, inside guard.
func (k *Keys) withSeed(f func(ed25519.PrivateKey)) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.dek == nil {
		return errDestroyed
	}
	guard(func() { f(ed25519.NewKeyFromSeed(k.next[:])) })
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
	return append(appendLP(text, decimal(version)), public[:]...)
}
