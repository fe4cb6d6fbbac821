package encrypted

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
	"github.com/superviber/blue-encrypted-store/record"
)

// maxMessages is how many messages one key may seal (NIST SP 800-38D §8.3,
// random 96-bit nonces).
const maxMessages = 1 << 32

// root is what meta's root_sealed holds: a JSON object that commits to every
// item of the dialogue.
type root struct {
	Incarnation string         `json:"incarnation"` // 32 hex digits, drawn when the dialogue is created
	Version     uint64         `json:"version"`     // counts commits, from 1
	Count       int64          `json:"count"`       // items but meta
	Sum         string         `json:"sum"`         // 64 hex digits: Σ HMAC(K_root, SK ‖ item_mac) mod 2^256
	Highest     map[string]int `json:"highest"`     // "tension#01" → greatest number under it
	ActiveKey   uint32         `json:"active_key"`
	LeastKey    uint32         `json:"least_key"`
	Messages    uint64         `json:"messages"` // sealed under the active key so far
	Chain       string         `json:"chain"`    // of this commit's audit event
	Seq         uint64         `json:"seq"`
	CoreHash    string         `json:"core_hash"`

	hash string // SHA-256 of root_sealed, 64 hex digits
}

// newRoot begins a dialogue.
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

// openRoot opens the root of a meta record with the key that meta names.
func openRoot(k *envelope.Keys, dialogue string, meta record.Attrs) (root, error) {
	addr, err := envelope.ItemAddress(dialogue, record.Meta)
	if err != nil {
		return root{}, err
	}
	version := uint64(meta[attrVersion].Int())
	text, err := k.OpenRoot(addr, version, meta[attrRoot].Bin())
	if err != nil {
		return root{}, fmt.Errorf("opening the root of dialogue %s: %w", dialogue, err)
	}
	var r root
	if err := json.Unmarshal(text, &r); err != nil || r.Version != version {
		return root{}, fmt.Errorf("%w: the root of dialogue %s does not hold together", blue.ErrTampered, dialogue)
	}
	r.hash = audit.RootHash(meta[attrRoot].Bin())
	return r, nil
}

// seal returns meta's two root attributes.
func (r *root) seal(k *envelope.Keys, dialogue string) (record.Attrs, error) {
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

// sum returns the root's sum as a number.
func (r *root) sum() (envelope.Sum, error) {
	var s envelope.Sum
	b, err := hex.DecodeString(r.Sum)
	if err != nil || len(b) != len(s) {
		return s, fmt.Errorf("%w: the sum of a root is not %d bytes", blue.ErrTampered, len(s))
	}
	copy(s[:], b)
	return s, nil
}

// note raises the highest number of a numbered sort key, {kind}#NN#NN. Other
// keys are named by the audit events when they are missed.
func (r *root) note(sk string) {
	group, n, ok := numbered(sk)
	if ok && n > r.Highest[group] {
		r.Highest[group] = n
	}
}

func numbered(sk string) (group string, n int, ok bool) {
	parts := strings.Split(sk, "#")
	if len(parts) != 3 || len(parts[1]) != 2 || len(parts[2]) != 2 {
		return "", 0, false
	}
	_, err1 := strconv.ParseUint(parts[1], 10, 8)
	v, err2 := strconv.ParseUint(parts[2], 10, 8)
	return parts[0] + "#" + parts[1], int(v), err1 == nil && err2 == nil
}
