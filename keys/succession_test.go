package keys

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// publics makes versions up to last and returns each one's public key.
func (w *world) publics(dialogue string, last uint32) map[uint32][envelope.PublicSize]byte {
	w.t.Helper()
	all := map[uint32][envelope.PublicSize]byte{}
	for v := uint32(1); v <= last; v++ {
		k, err := w.ring("ada", nil).Create(ctx, dialogue)
		if err != nil || k.Version() != v {
			w.t.Fatalf("version %d: %v", v, err)
		}
		if all[v], err = k.Public(); err != nil {
			w.t.Fatal(err)
		}
		if v < last {
			w.advance1("ada", dialogue, v)
		}
	}
	return all
}

func (w *world) follows(dialogue string, from uint32, public [envelope.PublicSize]byte) error {
	w.t.Helper()
	r := w.ring("ada", nil)
	k, err := r.Active(ctx, dialogue)
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Follows(ctx, dialogue, from, public, k)
}

func TestFollows(t *testing.T) {
	w := newWorld(t)
	known := w.publics("tea", 4)
	for v, public := range known {
		if err := w.follows("tea", v, public); err != nil {
			t.Errorf("from version %d: %v", v, err)
		}
	}
	for name, c := range map[string]struct {
		from   uint32
		public [envelope.PublicSize]byte
		want   string
	}{
		"another secret of the same version": {4, known[3], "another secret"},
		"a version that was not yet":         {5, known[4], "version 5 was before"},
		"another secret of an older one":     {2, known[1], "is not endorsed"},
	} {
		if err := w.follows("tea", c.from, c.public); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	head, err := w.store.Get(ctx, record.Keys, headKey("tea"))
	if err != nil {
		t.Fatal(err)
	}
	links := head.Attrs[attrLinks].Bin()
	if len(links) != 3*linkSize {
		t.Fatalf("%d bytes of links", len(links))
	}
	for name, bad := range map[string][]byte{
		"none":         nil,
		"cut in front": links[linkSize:],
		"cut behind":   links[:2*linkSize],
		"torn":         links[:len(links)-1],
		"swapped":      bytes.Join([][]byte{links[linkSize : 2*linkSize], links[:linkSize], links[2*linkSize:]}, nil),
	} {
		put := head.Clone()
		put.Attrs[attrLinks] = record.B(bad)
		w.store.records[put.Key] = put
		if err := w.follows("tea", 1, known[1]); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "key version") {
			t.Errorf("links %s: %v", name, err)
		}
	}
}

// TestLinksStayShort: the newest are kept, and who looks for an older one is told.
func TestLinksStayShort(t *testing.T) {
	w := newWorld(t)
	known := w.publics("tea", maxLinks+3)
	if err := w.follows("tea", 3, known[3]); err != nil {
		t.Errorf("the oldest that is kept: %v", err)
	}
	if err := w.follows("tea", 2, known[2]); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "do not reach back to it") {
		t.Errorf("one that is not kept: %v", err)
	}
}
