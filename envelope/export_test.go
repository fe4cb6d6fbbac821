package envelope

// PaddedLen is paddedLen.
var PaddedLen = paddedLen

// OpenRaw opens through the AEAD path of Open, for vectors that carry a key
// and associated data instead of a secret and an address, and without padding.
func OpenRaw(key [32]byte, nonce, ciphertext, aad []byte) ([]byte, error) {
	return openSealed(newAEAD(&key), nonce, ciphertext, aad)
}

// SealRaw seals without padding and with any key and associated data.
func SealRaw(key [32]byte, plain, aad []byte) (ciphertext, nonce []byte) {
	sealed := newAEAD(&key).Seal(nil, nil, plain, aad)
	return sealed[NonceSize:], sealed[:NonceSize]
}
