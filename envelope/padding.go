package envelope

import (
	"bytes"
	"fmt"
	"math/bits"

	blue "github.com/superviber/blue-encrypted-store"
)

// minPadded is the smallest bucket in bytes: most labels look alike.
const minPadded = 64

// PaddedLen returns the bucket, in bytes, of a payload of n bytes: at least
// 64, and beyond that Padmé (Nikitin et al., "Reducing Metadata Leakage from
// Encrypted Files and Communication with PURBs", 2019): a length keeps as many
// leading bits as its exponent has bits. Growth is at most 12 %, and an
// observer learns O(log log n) bits of the length.
func PaddedLen(n int) int {
	if n <= minPadded {
		return minPadded
	}
	exponent := bits.Len(uint(n)) - 1
	mask := 1<<(exponent-bits.Len(uint(exponent))) - 1
	return (n + mask) &^ mask
}

// pad appends spaces, which every JSON reader skips. The payload must be a
// JSON object, so that no space of its own is taken for padding; ErrInvalid.
func pad(payload []byte) ([]byte, error) {
	if !isObject(payload) {
		return nil, fmt.Errorf("%w: a payload that is not a JSON object", blue.ErrInvalid)
	}
	padded := make([]byte, PaddedLen(len(payload)))
	for i := copy(padded, payload); i < len(padded); i++ {
		padded[i] = ' '
	}
	return padded, nil
}

// unpad undoes pad and accepts nothing else. ErrOpen.
func unpad(padded []byte) ([]byte, error) {
	payload := bytes.TrimRight(padded, " ")
	if !isObject(payload) || len(padded) != PaddedLen(len(payload)) {
		return nil, ErrOpen
	}
	return payload, nil
}

// isObject looks at both ends only: what stands between is the engine's.
func isObject(payload []byte) bool {
	n := len(payload)
	return n >= 2 && payload[0] == '{' && payload[n-1] == '}'
}
