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

// publics creates the versions up to last and returns their public keys.
func (w *env) publics(dialogue string, last uint32) map[uint32][envelope.PublicSize]byte {
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
			w.advanceKey("ada", dialogue, v)
		}
	}
	return all
}

// checkSuccession checks the active keys of ada.
func (w *env) checkSuccession(dialogue string, from uint32, public [envelope.PublicSize]byte) error {
	w.t.Helper()
	r := w.ring("ada", nil)
	k, err := r.Active(ctx, dialogue)
	if err != nil {
		w.t.Fatal(err)
	}
	return r.CheckSuccession(ctx, dialogue, from, public, k)
}

func TestCheckSuccession(t *testing.T) {
	w := newEnv(t)
	known := w.publics("tea", 4)
	for v, public := range known {
		if err := w.checkSuccession("tea", v, public); err != nil {
			t.Errorf("from version %d: %v", v, err)
		}
	}
	for name, c := range map[string]struct {
		from   uint32
		public [envelope.PublicSize]byte
		want   string
	}{
		"another secret of the same version": {4, known[3], "another secret"},
		"a version after the active one":     {5, known[4], "version 5 was in use before"},
		"another secret of an older one":     {2, known[1], "is not signed"},
	} {
		if err := w.checkSuccession("tea", c.from, c.public); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	header, err := w.store.Get(ctx, record.Keys, headerKey("tea"))
	if err != nil {
		t.Fatal(err)
	}
	links := header.Attrs[attrLinks].Bin()
	if len(links) != 3*linkSize {
		t.Fatalf("%d bytes of links", len(links))
	}
	for name, bad := range map[string][]byte{
		"none":             nil,
		"cut at the start": links[linkSize:],
		"cut at the end":   links[:2*linkSize],
		"torn":             links[:len(links)-1],
		"swapped":          bytes.Join([][]byte{links[linkSize : 2*linkSize], links[:linkSize], links[2*linkSize:]}, nil),
	} {
		put := header.Clone()
		put.Attrs[attrLinks] = record.B(bad)
		w.store.records[put.Key] = put
		if err := w.checkSuccession("tea", 1, known[1]); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "key version") {
			t.Errorf("links %s: %v", name, err)
		}
	}
}

// TestLinksStayShort: the newest links are kept, and a client that needs an older one
// gets an error.
func TestLinksStayShort(t *testing.T) {
	w := newEnv(t)
	known := w.publics("tea", maxLinks+3)
	if err := w.checkSuccession("tea", 3, known[3]); err != nil {
		t.Errorf("the oldest kept link: %v", err)
	}
	if err := w.checkSuccession("tea", 2, known[2]); !errors.Is(err, blue.ErrTampered) || !strings.Contains(err.Error(), "do not reach back to it") {
		t.Errorf("a link that is not kept: %v", err)
	}
}
