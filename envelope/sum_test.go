package envelope_test

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/superviber/blue-encrypted-store/envelope"
)

// elements draws elements with many words of zeros and ones, which cause carries.
func elements() *rapid.Generator[[32]byte] {
	return rapid.Custom(func(t *rapid.T) (e [32]byte) {
		for i := range e {
			e[i] = rapid.OneOf(rapid.Just(byte(0)), rapid.Just(byte(255)), rapid.Byte()).Draw(t, "byte")
		}
		return e
	})
}

// TestSumIsArithmeticModulo2To256 compares sums in two orders with math/big.
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
		if forward != want || backward != want {
			t.Fatalf("sums %x and %x, want %x", forward, backward, want)
		}
		for _, e := range list {
			forward.Sub(e)
		}
		if forward != (envelope.Sum{}) {
			t.Fatalf("the sum is %x after every element was subtracted", forward)
		}
		if len(list) > 0 {
			one := list[0]
			sum := backward
			sum.Sub(one)
			if (sum == backward) != (one == [32]byte{}) {
				t.Fatal("subtracting an element did not change the sum, or zero did")
			}
		}
	})
}
