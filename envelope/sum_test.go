package envelope_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/superviber/blue-encrypted-store/envelope"
)

// elements draws elements with many words of zeros and ones, where carries run.
func elements() *rapid.Generator[[32]byte] {
	return rapid.Custom(func(t *rapid.T) (e [32]byte) {
		for i := range e {
			e[i] = rapid.OneOf(rapid.Just(byte(0)), rapid.Just(byte(255)), rapid.Byte()).Draw(t, "byte")
		}
		return e
	})
}

// TestSumIsArithmeticModulo2To256 compares with math/big, in any order.
func TestSumIsArithmeticModulo2To256(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(elements(), 0, 12).Draw(t, "elements")
		var forward, backward envelope.Sum
		total := new(big.Int)
		for i, e := range list {
			forward.Add(e)
			backward.Add(list[len(list)-1-i])
			total.Add(total, new(big.Int).SetBytes(e[:]))
		}
		total.Mod(total, new(big.Int).Lsh(big.NewInt(1), 256))
		var want envelope.Sum
		total.FillBytes(want[:])
		if !forward.Equal(want) || !backward.Equal(want) {
			t.Fatalf("sums %x and %x, want %x", forward, backward, want)
		}
		for _, e := range list {
			forward.Sub(e)
		}
		if !forward.Equal(envelope.Sum{}) {
			t.Fatalf("%x is left after everything is taken away", forward)
		}
		if len(list) > 0 {
			one := list[0]
			sum := backward
			sum.Sub(one)
			if sum.Equal(backward) != (one == [32]byte{}) {
				t.Fatal("taking one away changes nothing")
			}
		}
	})
}
