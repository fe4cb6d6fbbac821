package envelope

import (
	"crypto/cipher"
	"crypto/sha256"
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
)

const (
	wrapInfo    = "blue/1/wrap"
	holderLabel = "blue/1/holder"
)

// WrapSecret seals a dialogue's secret R under the KEK of one user and binds it
// to the user, dialogue and version. It returns [WrapSize] bytes, see the
// package documentation. Two calls return different bytes.
//
// WrapSecret returns blue.ErrInvalid for version 0, an empty user or an id that a
// key id cannot contain, and blue.ErrSealed for a destroyed key.
func WrapSecret(kek *Secret, user, dialogue string, version uint32, r *Secret) ([]byte, error) {
	return guarded(func() ([]byte, error) {
		aead, aad, err := wrapCipher(kek, user, dialogue, version)
		if err != nil {
			return nil, err
		}
		plain := r.InsecureBytes()
		if plain == nil {
			return nil, errDestroyed
		}
		defer clear(plain)
		return aead.Seal(nil, nil, plain, aad[:]), nil
	})
}

// UnwrapSecret returns the secret that WrapSecret sealed for the same user,
// dialogue and version. It returns [ErrOpen] if wrapped does not open, and the
// errors of WrapSecret.
func UnwrapSecret(kek *Secret, user, dialogue string, version uint32, wrapped []byte) (*Secret, error) {
	return guarded(func() (*Secret, error) {
		aead, aad, err := wrapCipher(kek, user, dialogue, version)
		if err != nil {
			return nil, err
		}
		if len(wrapped) != WrapSize {
			return nil, ErrOpen
		}
		nonce, ciphertext := cutNonce(wrapped)
		plain, err := open(aead, nonce, ciphertext, aad[:])
		if err != nil {
			return nil, err
		}
		defer clear(plain)
		r, err := NewSecret(plain)
		if err != nil {
			return nil, ErrOpen
		}
		return r, nil
	})
}

// wrapCipher returns the cipher and the associated data of one wrap.
func wrapCipher(kek *Secret, user, dialogue string, version uint32) (aead cipher.AEAD, aad [32]byte, err error) {
	if user == "" {
		return nil, aad, fmt.Errorf("%w: a wrap needs a user", blue.ErrInvalid)
	}
	if err := checkVersion(dialogue, version); err != nil {
		return nil, aad, err
	}
	k, err := kek.Derive(wrapInfo)
	if err != nil {
		return nil, aad, err
	}
	defer k.Destroy()
	b := appendLP(appendLP(nil, wrapInfo), user)
	b = appendLP(appendLP(b, dialogue), decimal(version))
	return newAEAD(k.key), sha256.Sum256(b), nil
}

// HolderProof returns a proof that a holder of the dialogue's secret R granted a
// user access:
//
//	HMAC-SHA256(HKDF(R, "blue/1/holder/{dialogue}/{version}"), LP("blue/1/holder") ‖ LP(user))
//
// It is stored with every wrap. A new version is wrapped only for users with a
// valid proof, so an unauthorized writer of the key table cannot get it.
// HolderProof returns blue.ErrInvalid for version 0 and for an id that a key id
// cannot contain, and blue.ErrSealed for a destroyed secret.
func HolderProof(r *Secret, user, dialogue string, version uint32) (proof [32]byte, err error) {
	if err := checkVersion(dialogue, version); err != nil {
		return proof, err
	}
	k, err := r.Derive(holderLabel + "/" + dialogue + "/" + decimal(version))
	if err != nil {
		return proof, err
	}
	defer k.Destroy()
	mac := newHMAC(k.key)
	mac.Write(appendLP(appendLP(nil, holderLabel), user))
	mac.Sum(proof[:0])
	return proof, nil
}
