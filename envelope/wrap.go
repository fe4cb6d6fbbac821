package envelope

import (
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"strconv"

	blue "github.com/superviber/blue-encrypted-store"
)

const wrapInfo = "blue/1/wrap"

// WrapSecret seals a dialogue's secret R for one user: 60 bytes, nonce ‖
// ciphertext ‖ tag under HKDF(KEK, "blue/1/wrap"), bound to user, dialogue and
// version. ErrInvalid for names the format cannot hold and version 0,
// blue.ErrSealed for a destroyed key. Two calls give different bytes.
func WrapSecret(kek *Secret, user, dialogue string, version uint32, r *Secret) (wrapped []byte, err error) {
	guard(func() { wrapped, err = wrapSecret(kek, user, dialogue, version, r) })
	return wrapped, err
}

func wrapSecret(kek *Secret, user, dialogue string, version uint32, r *Secret) ([]byte, error) {
	aead, aad, err := wrapping(kek, user, dialogue, version)
	if err != nil {
		return nil, err
	}
	plain := r.InsecureBytes()
	if plain == nil {
		return nil, errDestroyed
	}
	defer clear(plain)
	return aead.Seal(nil, nil, plain, aad[:]), nil
}

// UnwrapSecret opens what WrapSecret made for the same user, dialogue and
// version. ErrOpen for everything else; ErrInvalid and blue.ErrSealed as above.
func UnwrapSecret(kek *Secret, user, dialogue string, version uint32, wrapped []byte) (r *Secret, err error) {
	guard(func() { r, err = unwrapSecret(kek, user, dialogue, version, wrapped) })
	return r, err
}

func unwrapSecret(kek *Secret, user, dialogue string, version uint32, wrapped []byte) (*Secret, error) {
	aead, aad, err := wrapping(kek, user, dialogue, version)
	if err != nil {
		return nil, err
	}
	if len(wrapped) != WrapSize {
		return nil, ErrOpen
	}
	plain, err := openJoined(aead, wrapped, aad[:])
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	r, err := NewSecret(plain)
	if err != nil {
		return nil, ErrOpen
	}
	return r, nil
}

// wrapping returns the cipher and the associated data of one wrap.
func wrapping(kek *Secret, user, dialogue string, version uint32) (aead cipher.AEAD, aad [32]byte, err error) {
	if user == "" {
		return nil, aad, fmt.Errorf("%w: a wrap without a user", blue.ErrInvalid)
	}
	if err := checkVersion(dialogue, version); err != nil {
		return nil, aad, err
	}
	k, err := kek.Derive(wrapInfo)
	if err != nil {
		return nil, aad, err
	}
	defer k.Destroy()
	b := appendLP(nil, wrapInfo)
	b = appendLP(b, user)
	b = appendLP(b, dialogue)
	b = appendLP(b, strconv.FormatUint(uint64(version), 10))
	return newAEAD(k.key), sha256.Sum256(b), nil
}

// checkVersion refuses what no key id can name. ErrInvalid.
func checkVersion(dialogue string, version uint32) error {
	if version == 0 {
		return fmt.Errorf("%w: key versions begin at 1", blue.ErrInvalid)
	}
	return checkDialogue(dialogue)
}
