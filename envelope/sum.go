package envelope

import (
	"encoding/binary"
	"math/bits"
)

// A Sum commits to the set of a dialogue's items. It is the sum of their elements
// (Keys.Element) mod 2^256, big-endian (MSet-Add-Hash: Clarke et al.,
// "Incremental Multiset Hash Functions and Their Application to Memory Integrity
// Checking", 2003). A changed item costs one Sub and one Add.
//
// A Sum must only be stored sealed, because linear relations between visible sums
// show which sets of items can be rolled back together.
type Sum [32]byte

// Add adds the element of a new item.
func (s *Sum) Add(e [32]byte) { s.combine(e, bits.Add64) }

// Sub subtracts the element of a removed item.
func (s *Sum) Sub(e [32]byte) { s.combine(e, bits.Sub64) }

// combine applies op to the four words, the least significant first, and passes
// the carry on.
func (s *Sum) combine(e [32]byte, op func(x, y, carry uint64) (uint64, uint64)) {
	var carry uint64
	for i := 24; i >= 0; i -= 8 {
		var word uint64
		word, carry = op(binary.BigEndian.Uint64(s[i:]), binary.BigEndian.Uint64(e[i:]), carry)
		binary.BigEndian.PutUint64(s[i:], word)
	}
}
