package envelope_test

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/envelope"
)

func TestPaddedLen(t *testing.T) {
	buckets := map[int]bool{}
	last := 0
	for n := range 400 << 10 {
		p := envelope.PaddedLen(n)
		buckets[p] = true
		switch {
		case p < 64 || p < n || p < last:
			t.Fatalf("PaddedLen(%d) = %d", n, p)
		case n > 64 && (p-n)*100 > 12*n:
			t.Fatalf("PaddedLen(%d) = %d, an increase of more than 12 %%", n, p)
		case envelope.PaddedLen(p) != p:
			t.Fatalf("the padded length %d of %d is padded further", p, n)
		}
		last = p
	}
	if len(buckets) > 256 {
		t.Errorf("%d padded lengths, too many to hide the length", len(buckets))
	}
}
