package envelope_test

import (
	"testing"

	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
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
			t.Fatalf("PaddedLen(%d) = %d, more than 12 %% on top", n, p)
		case envelope.PaddedLen(p) != p:
			t.Fatalf("bucket %d of %d is not its own bucket", p, n)
		}
		last = p
	}
	if len(buckets) > 256 {
		t.Errorf("%d buckets tell lengths apart too well", len(buckets))
	}
}

func TestMaxPayloadLeavesRoom(t *testing.T) {
	if room := record.MaxRecord - envelope.PaddedLen(envelope.MaxPayload) - envelope.TagSize; room < 47<<10 {
		t.Errorf("%d bytes are left beside a payload of MaxPayload", room)
	}
}
