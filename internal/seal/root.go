package seal

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/record"
)

// maxMessages is the number of messages that one key may encrypt with random
// 96-bit nonces (NIST SP 800-38D, section 8.3).
const maxMessages = 1 << 32

// A root commits to every item of a dialogue. It is stored as a JSON object,
// encrypted, in attribute root_sealed of meta.
type root struct {
	Incarnation string         `json:"incarnation"` // random, drawn when the dialogue is created, 32 hex digits
	Version     uint64         `json:"version"`     // number of commits
	Count       int64          `json:"count"`       // items other than meta
	Sum         string         `json:"sum"`         // Σ HMAC(K_root, SK ‖ item_mac) mod 2^256, 64 hex digits
	Highest     map[string]int `json:"highest"`     // "tension#01" → greatest number below it
	ActiveKey   uint32         `json:"active_key"`  // greatest key version in use
	LeastKey    uint32         `json:"least_key"`   // least key version in use
	Messages    uint64         `json:"messages"`    // encrypted under the active key so far
	Chain       string         `json:"chain"`       // of the audit event of this commit, with Seq and CoreHash
	Seq         uint64         `json:"seq"`
	CoreHash    string         `json:"core_hash"`

	hash string // SHA-256 of root_sealed, 64 hex digits
}

// newRoot returns the root of a dialogue without items.
func newRoot(k *envelope.Keys) root {
	var id [16]byte
	rand.Read(id[:]) // never fails (crypto/rand)
	return root{
		Incarnation: hex.EncodeToString(id[:]),
		Sum:         hex.EncodeToString(make([]byte, 32)),
		Highest:     map[string]int{},
		ActiveKey:   k.Version(), LeastKey: k.Version(),
	}
}

// openRoot decrypts the root of a meta item with the keys that meta names. The
// error is blue.ErrTampered or envelope.ErrOpen.
func openRoot(k *envelope.Keys, dialogue string, meta record.Attrs) (root, error) {
	addr, err := envelope.ItemAddress(dialogue, record.Meta)
	if err != nil {
		return root{}, err
	}
	version := uint64(meta[attrVersion].Int())
	text, err := k.OpenRoot(addr, version, meta[attrRoot].Bin())
	if err != nil {
		return root{}, fmt.Errorf("decrypting the root of dialogue %s: %w", dialogue, err)
	}
	var r root
	if err := json.Unmarshal(text, &r); err != nil || r.Version != version {
		return root{}, fmt.Errorf("%w: the sealed root of dialogue %s is inconsistent (version mismatch or invalid JSON)", blue.ErrTampered, dialogue)
	}
	r.hash = audit.RootHash(meta[attrRoot].Bin())
	return r, nil
}

// encrypt returns the two attributes of meta that hold the root, and sets r.hash.
func (r *root) encrypt(k *envelope.Keys, dialogue string) (record.Attrs, error) {
	addr, err := envelope.ItemAddress(dialogue, record.Meta)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	sealed, err := k.SealRoot(addr, r.Version, text)
	if err != nil {
		return nil, err
	}
	r.hash = audit.RootHash(sealed)
	return record.Attrs{attrVersion: record.N(int64(r.Version)), attrRoot: record.B(sealed)}, nil
}

// sum returns Sum as a number. The error is blue.ErrTampered.
func (r *root) sum() (envelope.Sum, error) {
	var s envelope.Sum
	b, err := hex.DecodeString(r.Sum)
	if err != nil || len(b) != len(s) {
		return s, fmt.Errorf("%w: the sum of a root is not %d bytes", blue.ErrTampered, len(s))
	}
	copy(s[:], b)
	return s, nil
}

// raiseHighest updates Highest for a numbered sort key, {kind}#NN#NN. For other
// sort keys the audit events alone name a missing item.
func (r *root) raiseHighest(sk string) {
	parts := strings.Split(sk, "#")
	if len(parts) != 3 || len(parts[1]) != 2 || len(parts[2]) != 2 {
		return
	}
	_, err := strconv.ParseUint(parts[1], 10, 8)
	n, err2 := strconv.ParseUint(parts[2], 10, 8)
	if group := parts[0] + "#" + parts[1]; err == nil && err2 == nil && int(n) > r.Highest[group] {
		r.Highest[group] = int(n)
	}
}

// remember stores the freshness record of a root under keys k.
func (s *Store) remember(dialogue string, r root, k *envelope.Keys) error {
	if s.Freshness == nil {
		return nil
	}
	public, err := k.Public()
	if err != nil {
		return err
	}
	return s.Freshness.Put(freshness.Record{
		Dialogue: dialogue, Incarnation: r.Incarnation, Version: r.Version, RootHash: r.hash,
		KeyVersion: k.Version(), Key: hex.EncodeToString(public[:]),
	})
}
