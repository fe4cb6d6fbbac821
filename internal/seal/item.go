package seal

import (
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/record"
)

// The attributes that this package writes. The first four are defined in RFC 0058,
// "Encryption Envelope".
const (
	attrCiphertext = "content_encrypted"
	attrNonce      = "content_nonce"
	attrKeyID      = "key_id"
	attrAADHash    = "aad_hash"
	attrMAC        = "item_mac"
	attrVersion    = "root_version"
	attrRoot       = "root_sealed"

	attrContent = "content" // the plain payload, never stored
)

// macSize is the size of attribute item_mac in bytes.
const macSize = 32

// encrypt returns the stored form of a record. extra are the attributes of the
// root, which only meta has. The stored item is
//
//	PK, SK                S      as in r
//	(clear attributes)           as in r
//	content_encrypted     B      AES-256-GCM of r's attribute content, then the 16-byte tag
//	content_nonce         B  12  random
//	key_id                S      dek#{dialogue}#{version}
//	aad_hash              S  64  SHA-256 of the item's address in hex digits, not read back
//	root_version          N      meta only: the root's version
//	root_sealed           B      meta only: the encrypted root
//	item_mac              B  32  HMAC-SHA256 over the table, PK, SK and every other attribute
//
// An item without content has neither content_encrypted nor content_nonce.
// Package envelope draws the input of the MAC and of the encryption.
func encrypt(k *envelope.Keys, r record.Record, extra record.Attrs) (record.Record, error) {
	addr, err := addressOf(r.Key)
	if err != nil {
		return record.Record{}, err
	}
	sealed := r.Clone()
	for _, name := range []string{attrContent, attrCiphertext, attrNonce, attrKeyID, attrAADHash, attrMAC, attrVersion, attrRoot} {
		delete(sealed.Attrs, name)
	}
	if content, ok := r.Attrs[attrContent]; ok {
		ciphertext, nonce, err := k.Seal(addr, content.Bin())
		if err != nil {
			return record.Record{}, fmt.Errorf("encrypting %s: %w", addr, err)
		}
		sealed.Attrs[attrCiphertext] = record.B(ciphertext)
		sealed.Attrs[attrNonce] = record.B(nonce)
	}
	sealed.Attrs[attrKeyID] = record.S(k.ID())
	sealed.Attrs[attrAADHash] = record.S(addr.Hash())
	maps.Copy(sealed.Attrs, extra)
	mac := k.ItemMAC(record.Dialogues, sealed)
	sealed.Attrs[attrMAC] = record.B(mac[:])
	return sealed, nil
}

// decryptItem returns an authentic record with its payload in attribute content. It
// keeps the attributes of the stored form, because a later write is conditioned
// on them.
func decryptItem(k *envelope.Keys, r record.Record) (record.Record, error) {
	ciphertext, ok := r.Attrs[attrCiphertext]
	if !ok {
		return r, nil
	}
	addr, err := addressOf(r.Key)
	if err != nil {
		return record.Record{}, err
	}
	content, err := k.Open(addr, ciphertext.Bin(), r.Attrs[attrNonce].Bin())
	if err != nil {
		return record.Record{}, fmt.Errorf("decrypting %s: %w", addr, err)
	}
	opened := r.Clone()
	opened.Attrs[attrContent] = record.B(content)
	return opened, nil
}

func addressOf(key record.Key) (envelope.Address, error) {
	dialogue, err := dialogueOf(record.Dialogues, key.Partition)
	if err != nil {
		return "", err
	}
	return envelope.ItemAddress(dialogue, key.Item)
}

// hasValidMAC reports whether the MAC of a record is valid at sort key sk.
func hasValidMAC(k *envelope.Keys, r record.Record, sk string) bool {
	r.Key.Item = sk
	mac := k.ItemMAC(record.Dialogues, r)
	return hmac.Equal(mac[:], r.Attrs[attrMAC].Bin())
}

// keyIDOf returns the key id of an item if it belongs to the dialogue, else "".
// An audit event must not repeat arbitrary text from the store.
func keyIDOf(dialogue string, attrs record.Attrs) string {
	id := attrs[attrKeyID].Str()
	if owner, _, err := envelope.ParseKeyID(id); err != nil || owner != dialogue {
		return ""
	}
	return id
}

// KeyVersion returns the key version that an item of a dialogue names, or 0.
func KeyVersion(r record.Record) uint32 {
	dialogue, _ := r.Key.Partition.Dialogue()
	_, version, _ := envelope.ParseKeyID(keyIDOf(dialogue, r.Attrs)) // 0 with an error
	return version
}

// Identifying returns attributes that identify a stored item, for a condition:
// its MAC, or nil if it has none.
func Identifying(r record.Record) record.Attrs {
	if mac := r.Attrs[attrMAC]; len(mac.Bin()) == macSize {
		return record.Attrs{attrMAC: mac}
	}
	return nil
}

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
func (s *Sealer) remember(dialogue string, r root, k *envelope.Keys) error {
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
