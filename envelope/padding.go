package envelope

import (
	"bytes"
	"fmt"
	"math/bits"

	blue "github.com/superviber/blue-encrypted-store"
)

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
