package envelope

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"slices"
	"strings"
	"sync"

	"github.com/superviber/blue-encrypted-store/record"
)

// macAttr is the attribute that holds an item's MAC, 32 bytes.
const macAttr = "item_mac"

// ItemMAC returns the MAC of a record in a logical table, over its key and
// every attribute but item_mac and those whose names begin with '_' (a store's
// own). The formula stands in the package's doc. Compare with hmac.Equal.
func (k *Keys) ItemMAC(table record.Table, r record.Record) [32]byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return macsOf(k.item).sum(func(m *mac) {
		b := appendLP(m.buf, "blue/1/item")
		b = appendLP(b, string(table))
		b = appendLP(b, r.Key.Partition)
		b = appendLP(b, r.Key.Item)
		m.buf = m.appendAttrs(b, r.Attrs)
	})
}

// Element returns an item's summand in the root's Sum. itemMAC has 32
// bytes, so that the end of the sort key is certain.
func (k *Keys) Element(sk string, itemMAC []byte) [32]byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return macsOf(k.root).sum(func(m *mac) {
		m.buf = append(append(m.buf, sk...), itemMAC...)
	})
}

// Tag returns an item's 16-byte mark in an audit event: who holds the keys can
// tell which version of which item was written. It never equals the head of an
// Element: that begins with a sort key, this with the zeros of a length.
func (k *Keys) Tag(sk string, itemMAC []byte) [16]byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	sum := macsOf(k.root).sum(func(m *mac) {
		b := appendLP(m.buf, "blue/1/tag")
		b = appendLP(b, sk)
		m.buf = append(b, itemMAC...)
	})
	return [16]byte(sum[:16])
}

// macs hands out HMAC-SHA256 states of one key. Keying costs as much as MACing
// 256 bytes, so used states are kept.
type macs struct {
	key  [secretSize]byte
	pool sync.Pool // of *mac
}

// mac is one state with the memory for its input.
type mac struct {
	hash  hash.Hash
	buf   []byte
	names []string // of the last item, sorted
	out   [sha256.Size]byte
}

func newMACs(key *[secretSize]byte) *macs {
	s := &macs{key: *key}
	s.pool.New = func() any { return &mac{hash: newHMAC(&s.key)} }
	return s
}

// newHMAC returns a keyed state. Its first Reset puts the state after the key
// in the place of the padded key, here, where what is left over is erased.
func newHMAC(key *[secretSize]byte) (h hash.Hash) {
	guard(func() {
		h = hmac.New(sha256.New, key[:])
		h.Reset()
	})
	return h
}

// macsOf is s, or a panic after Destroy.
func macsOf(s *macs) *macs {
	if s == nil {
		panic("envelope: a MAC was asked of destroyed keys")
	}
	return s
}

// sum returns the MAC of what fill leaves in the state's buf.
func (s *macs) sum(fill func(*mac)) [32]byte {
	m := s.pool.Get().(*mac)
	defer s.pool.Put(m)
	m.buf = m.buf[:0]
	fill(m)
	m.hash.Reset()
	m.hash.Write(m.buf)
	return [32]byte(m.hash.Sum(m.out[:0]))
}

// appendAttrs appends the count and the covered attributes in order of names.
// Items of one kind have the same names, so the last item's order is tried
// first: that it fits shows while its values are read, and sorting is a quarter
// of the cost of a MAC.
func (m *mac) appendAttrs(b []byte, attrs record.Attrs) []byte {
	covered := len(attrs)
	if _, ok := attrs[macAttr]; ok {
		covered--
	}
	if len(m.names) == covered {
		if all, ok := m.tryNames(b, attrs); ok {
			return all
		}
	}
	m.names = m.names[:0]
	for name := range attrs {
		if name != macAttr && !strings.HasPrefix(name, "_") {
			m.names = append(m.names, name)
		}
	}
	slices.Sort(m.names)
	all, _ := m.tryNames(b, attrs)
	return all
}

// tryNames appends count and attributes by m.names; false if one is absent.
func (m *mac) tryNames(b []byte, attrs record.Attrs) ([]byte, bool) {
	b = binary.BigEndian.AppendUint64(b, uint64(len(m.names)))
	for _, name := range m.names {
		v, ok := attrs[name]
		if !ok {
			return nil, false
		}
		b = appendLP(b, name)
		b = append(b, byte(v.Type()))
		if v.Type() == record.String {
			b = appendLP(b, v.Str()) // Canonical would copy
		} else {
			b = appendLP(b, v.Canonical())
		}
	}
	return b, true
}
