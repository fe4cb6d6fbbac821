package envelope

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// metaSK is the sort key of a dialogue's meta item.
const metaSK = "meta"

// An Address is the canonical name of an item, the same on every backend:
//
//	dialogue:{id}/entity:{kind}/{rest}
//
// Two items never have the same address, because neither an id nor a kind
// contains '/'.
type Address string

// ItemAddress returns the address of the item with the given sort key, which is
// "meta" or "{kind}#{rest}".
//
// It returns blue.ErrInvalid for a dialogue id that is empty, is not UTF-8 or
// contains '/', '#', ':' or a control character. It also returns
// blue.ErrInvalid for a sort key without a kind or a rest, with '/' or ':' in
// its kind, with a control character, or of the kind "dialogue", which is
// reserved for "meta".
func ItemAddress(dialogue, sk string) (Address, error) {
	if err := checkDialogue(dialogue); err != nil {
		return "", err
	}
	if sk == metaSK {
		return Address("dialogue:" + dialogue + "/entity:dialogue/meta"), nil
	}
	kind, rest, _ := strings.Cut(sk, "#")
	switch {
	case kind == "" || rest == "":
		return "", fmt.Errorf("%w: sort key %.80q is neither \"meta\" nor \"{kind}#{rest}\"", blue.ErrInvalid, sk)
	case kind == "dialogue" || strings.ContainsAny(kind, "/:"):
		return "", fmt.Errorf("%w: sort key %.80q does not begin with a kind of entity", blue.ErrInvalid, sk)
	case !utf8.ValidString(sk) || strings.ContainsFunc(sk, unicode.IsControl):
		return "", fmt.Errorf("%w: sort key %.80q contains a control character or is not UTF-8", blue.ErrInvalid, sk)
	}
	return Address("dialogue:" + dialogue + "/entity:" + kind + "/" + rest), nil
}

// AAD returns the associated data of the item: the SHA-256 of the address, 32
// bytes.
func (a Address) AAD() [32]byte { return sha256.Sum256([]byte(a)) }

// Hash returns the attribute aad_hash: the AAD in 64 lower-case hexadecimal
// digits. It is stored for people. A stored value is never used to open an item.
func (a Address) Hash() string {
	sum := a.AAD()
	return hex.EncodeToString(sum[:])
}

// ParseKeyID parses the attribute key_id, "dek#{dialogue}#{version}" (RFC 0058,
// "Encryption Envelope"). The version is 1 to 2^32-1 in shortest decimal, so
// each key has one id. ParseKeyID returns blue.ErrInvalid for any other text.
func ParseKeyID(s string) (dialogue string, version uint32, err error) {
	rest, _ := strings.CutPrefix(s, "dek#")
	dialogue, digits, _ := strings.Cut(rest, "#")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || keyID(dialogue, uint32(n)) != s {
		return "", 0, fmt.Errorf("%w: key id %.80q; a key id is dek#{dialogue}#{version}", blue.ErrInvalid, s)
	}
	if err := checkDialogue(dialogue); err != nil {
		return "", 0, fmt.Errorf("key id %.80q: %w", s, err)
	}
	return dialogue, uint32(n), nil
}

func keyID(dialogue string, version uint32) string {
	return "dek#" + dialogue + "#" + versionDecimal(version)
}

func versionDecimal(version uint32) string { return strconv.FormatUint(uint64(version), 10) }

// checkDialogue returns blue.ErrInvalid for an id that would make an address, a
// key id or the info of a derivation ambiguous. blue.DialogueID has the full
// grammar of ids.
func checkDialogue(id string) error {
	if id == "" || !utf8.ValidString(id) || strings.ContainsAny(id, "/#:") || strings.ContainsFunc(id, unicode.IsControl) {
		return fmt.Errorf("%w: dialogue id %.80q is empty, not UTF-8, or contains '/', '#', ':' or a control character", blue.ErrInvalid, id)
	}
	return nil
}

// checkVersion returns blue.ErrInvalid for a dialogue and version that no key id
// can name.
func checkVersion(dialogue string, version uint32) error {
	if version == 0 {
		return fmt.Errorf("%w: key versions begin at 1", blue.ErrInvalid)
	}
	return checkDialogue(dialogue)
}

// macAttr is the attribute with an item's MAC, 32 bytes.
const macAttr = "item_mac"

// ItemMAC returns the MAC of a record in a logical table. It covers the key and
// every attribute except item_mac and those that belong to a backend, whose names
// begin with '_'. The package documentation has the formula. The caller must
// compare MACs with hmac.Equal. ItemMAC panics after Destroy.
func (k *Keys) ItemMAC(table record.Table, r record.Record) [32]byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.item.sum(func(m *mac) {
		b := appendLP(m.buf, "blue/1/item")
		b = appendLP(b, string(table))
		b = appendLP(b, r.Key.Partition)
		b = appendLP(b, r.Key.Item)
		m.buf = m.appendAttrs(b, r.Attrs)
	})
}

// Element returns the element of an item in a [Sum]. itemMAC must have 32 bytes,
// so that the end of the sort key is unambiguous. Element panics after Destroy.
func (k *Keys) Element(sk string, itemMAC []byte) [32]byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.root.sum(func(m *mac) {
		m.buf = append(append(m.buf, sk...), itemMAC...)
	})
}

// Tag returns the 16-byte mark of an item in an audit event. A holder of the keys
// can check which version of which item an event describes. The input of a tag
// begins with the zero bytes of a length and the input of an element with a sort
// key, so a tag is never the start of an element. Tag panics after Destroy.
func (k *Keys) Tag(sk string, itemMAC []byte) [16]byte {
	k.mu.RLock()
	defer k.mu.RUnlock()
	sum := k.root.sum(func(m *mac) {
		b := appendLP(m.buf, "blue/1/tag")
		b = appendLP(b, sk)
		m.buf = append(b, itemMAC...)
	})
	return [16]byte(sum[:16])
}

// macs computes HMAC-SHA256 under one key. It keeps used states, because keying a
// state costs as much as a MAC of 256 bytes. A nil *macs is a destroyed key.
type macs struct {
	key  [secretSize]byte
	pool sync.Pool // of *mac
}

// mac is one keyed state with memory for its input.
type mac struct {
	hash  hash.Hash
	buf   []byte
	names []string // attribute names of the last item, sorted
	out   [sha256.Size]byte
}

func newMACs(key *[secretSize]byte) *macs {
	s := &macs{key: *key}
	s.pool.New = func() any { return &mac{hash: newHMAC(&s.key)} }
	return s
}

// newHMAC returns a keyed state. The first Reset replaces the padded key by the
// state after it. newHMAC calls it inside guardSecrets, which erases the padded key.
func newHMAC(key *[secretSize]byte) (h hash.Hash) {
	guardSecrets(func() {
		h = hmac.New(sha256.New, key[:])
		h.Reset()
	})
	return h
}

// sum returns the MAC of the bytes that fill stores in buf.
func (s *macs) sum(fill func(*mac)) [32]byte {
	if s == nil {
		panic("envelope: a MAC under destroyed keys")
	}
	m := s.pool.Get().(*mac)
	defer s.pool.Put(m)
	m.buf = m.buf[:0]
	fill(m)
	m.hash.Reset()
	m.hash.Write(m.buf)
	return [32]byte(m.hash.Sum(m.out[:0]))
}

// appendAttrs appends the count and the covered attributes in order of names. It
// tries the names of the last item first, because items of one kind have the same
// names and sorting is a quarter of the cost of a MAC.
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

// tryNames appends the count and the attributes of m.names. It returns false if an
// attribute is missing.
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
			b = appendLP(b, v.Str()) // Canonical copies
		} else {
			b = appendLP(b, v.Canonical())
		}
	}
	return b, true
}

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
