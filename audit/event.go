package audit

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// An Operation is the action that an event records (RFC 0058, CryptoOp).
type Operation string

// The operations. RFC 0058 defines the first five.
const (
	Encrypt    Operation = "encrypt"     // a commit encrypted items of a dialogue
	Decrypt    Operation = "decrypt"     // a read decrypted items of a dialogue
	DeriveKEK  Operation = "derive_kek"  // a user's key-encryption key was derived or created
	WrapDEK    Operation = "wrap_dek"    // a dialogue secret was wrapped for a user
	UnwrapDEK  Operation = "unwrap_dek"  // a dialogue secret was unwrapped
	Genesis    Operation = "genesis"     // the first event of a chain. Its KeyID is the verifier key of later checkpoints, or empty
	Close      Operation = "close"       // the last event of a chain whose process ended in order
	Rotate     Operation = "rotate"      // a dialogue was re-encrypted with a new key version
	Grant      Operation = "grant"       // a user got access to a dialogue
	Revoke     Operation = "revoke"      // a user lost access to a dialogue
	Rewrap     Operation = "rewrap"      // wrapped keys were wrapped again under a new master key
	Erase      Operation = "erase"       // a dialogue or a user was erased
	DestroyKey Operation = "destroy_key" // wrapped secrets or a user's key were deleted
	Void       Operation = "void"        // replaces an event whose commit was not written and never can be. The chain continues with it
	// Boundary records that a dialogue was copied from another store with the
	// events of its commits. The chains of those events can have gaps in this
	// store. RootVersion is the number of commits, ItemCount includes the meta
	// item, and ItemsDigest covers the items.
	Boundary Operation = "boundary"
)

// An Outcome is the result of an operation (RFC 0058).
type Outcome string

// The outcomes.
const (
	Success Outcome = "success" // the operation was completed
	Failure Outcome = "failure" // the operation failed
	Denied  Outcome = "denied"  // the key service or the store refused access
	Intent  Outcome = "intent"  // stored before a key is created or destroyed. The event of the outcome follows
)

const timeFormat = record.TimeLayout // of a time in UTC

// TagSize is the size in bytes of a written item's tag.
const TagSize = 16

// An Item is one written item in an event.
type Item struct {
	SK  string        // its sort key
	Tag [TagSize]byte // the keyed tag of the version that was written (envelope.Keys.Tag)
}

// An Event is one record of key use in a chain. All fields except EventHash are
// hashed, in the order of the package documentation.
type Event struct {
	EventID     string // UUIDv7 (RFC 9562, section 5.7)
	Timestamp   string // UTC, RFC 3339, nine digits of a second
	TraceID     string // OpenTelemetry, 32 hex digits, or ""
	SpanID      string // OpenTelemetry, 16 hex digits, or ""
	Operation   Operation
	KeyID       string // dek#{dialogue}#{version}
	Principal   string // the name or pseudonym of the user
	Outcome     Outcome
	Chain       string // 32 hex digits
	Seq         uint64 // position in the chain, from 1
	Dialogue    string // the dialogue's id, or ""
	RootVersion uint64 // the dialogue's version that was written or read
	ItemCount   int64  // number of items that were written or read
	ItemsDigest []byte // of a read or a boundary: ItemsDigest, 32 bytes
	ItemNames   []byte // of a write: the SKs joined by '\n', raw DEFLATE (RFC 1951)
	ItemTags    []byte // of a write: TagSize bytes for each item, in the order of the names
	ErrorClass  string // of a failure
	Previous    string // the EventHash of the previous event, or FirstPrevious
	RootHash    string // RootHash of the root that was written, or ""
	EventHash   string // 64 hex digits

	first uint64 // value of the index record that is stored with the event, 0 for none
}

// Write sets ItemCount, ItemNames and ItemTags to the items of a commit.
func (e *Event) Write(items []Item) error {
	if len(items) == 0 {
		return nil
	}
	names := make([]string, len(items))
	tags := make([]byte, 0, len(items)*TagSize)
	for i, it := range items {
		names[i] = it.SK
		tags = append(tags, it.Tag[:]...)
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err == nil {
		_, err = io.WriteString(w, strings.Join(names, "\n"))
	}
	if err == nil {
		err = w.Close()
	}
	e.ItemCount, e.ItemNames, e.ItemTags = int64(len(items)), b.Bytes(), tags
	return err
}

// maxNames is the largest size in bytes of the inflated names of an event: the
// keys of the largest commit.
const maxNames = record.MaxBatch * (record.MaxItem + 1)

// Items returns the items that a commit wrote. It returns ErrTampered if the
// fields of the event contradict each other.
func (e *Event) Items() ([]Item, error) {
	if len(e.ItemNames) == 0 {
		return nil, nil
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(e.ItemNames)), maxNames+1))
	if err != nil || len(text) > maxNames {
		return nil, fmt.Errorf("%w: audit event %s seq %d: item_names cannot be inflated", blue.ErrTampered, e.Chain, e.Seq)
	}
	names := strings.Split(string(text), "\n")
	if int64(len(names)) != e.ItemCount || len(names)*TagSize != len(e.ItemTags) {
		return nil, fmt.Errorf("%w: audit event %s seq %d: item_count, item_names and item_tags differ in length", blue.ErrTampered, e.Chain, e.Seq)
	}
	items := make([]Item, len(names))
	for i, name := range names {
		items[i].SK = name
		copy(items[i].Tag[:], e.ItemTags[i*TagSize:])
	}
	return items, nil
}

// ItemsDigest returns a digest of stored items, 32 bytes: SHA-256 over
// LP(SK) ‖ item_mac of each. The items must be in ascending order of SK. The
// function needs no key.
func ItemsDigest(items []record.Record) []byte {
	h := sha256.New()
	for _, r := range items {
		h.Write(appendLP(nil, []byte(r.Key.Item)))
		h.Write(r.Attrs["item_mac"].Bin())
	}
	return h.Sum(nil)
}

// core returns the bytes that both hashes begin with.
func (e *Event) core() []byte {
	var b []byte
	for _, part := range [][]byte{
		[]byte("blue/1/event"), []byte(e.EventID), []byte(e.Timestamp), []byte(e.TraceID), []byte(e.SpanID),
		[]byte(e.Operation), []byte(e.KeyID), []byte(e.Principal), []byte(e.Outcome), []byte(e.Chain),
		strconv.AppendUint(nil, e.Seq, 10), []byte(e.Dialogue), strconv.AppendUint(nil, e.RootVersion, 10),
		strconv.AppendInt(nil, e.ItemCount, 10), e.ItemsDigest, e.ItemNames, e.ItemTags, []byte(e.ErrorClass), []byte(e.Previous),
	} {
		b = appendLP(b, part)
	}
	return b
}

// appendLP appends LP(x) to b.
func appendLP(b, x []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(x))), x...)
}

// CoreHash returns the hash that a sealed root contains, 64 hex digits.
func (e *Event) CoreHash() string { return eventHashHex(e.core()) }

// Close sets RootHash ("" if the event wrote no root) and then EventHash. The
// caller must not change the event after it.
func (e *Event) Close(rootHash string) {
	e.RootHash = rootHash
	e.EventHash = e.hash()
}

func (e *Event) hash() string { return eventHashHex(appendLP(e.core(), []byte(e.RootHash))) }

// leaf returns the event hash as 32 raw bytes, the leaf of the chain's tree.
func (e *Event) leaf() []byte {
	raw, _ := hex.DecodeString(e.EventHash) // hexHash made it
	return raw
}

// IsIntact reports whether EventHash is the hash of the other fields.
func (e *Event) IsIntact() bool { return e.EventHash == e.hash() }

// RootHash returns the hash of a root_sealed attribute, 64 hex digits.
func RootHash(sealed []byte) string { return eventHashHex(sealed) }

// FirstPrevious returns the Previous field of a chain's first event.
func FirstPrevious(chain string) string { return eventHashHex([]byte("blue/1/chain/" + chain)) }

func eventHashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
