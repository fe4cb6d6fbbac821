// Package audit is the crypto audit log: who opened and sealed what, when,
// and with which outcome, in hash chains that cannot be edited unseen.
//
// What belongs here: the event and its bytes, chains and their leases, when
// they begin, are signed and end, and where all of that lies in record.Audit;
// the pseudonyms of principals. What does not: when an event is due
// (encrypted), the keys that tag written items (envelope), the bytes of a
// checkpoint (audit/checkpoint), where it is kept outside (audit/anchor),
// whether a log is whole (audit/auditor), where records are kept (sqlite,
// memory).
//
// # Layout
//
// All are records of table blue_audit that must not exist when they are put
// and are never changed. An event:
//
//	PK  audit#{chain}        chain: 32 hex digits, random
//	SK  {seq:012d}           1 is the genesis; then without a gap; the last is the close
//
// Beside the event of a commit stands its pointer, so that one dialogue's
// commits can be walked without reading every chain:
//
//	PK  dialogue#{id}
//	SK  {root_version:012d}
//	    chain S, seq N
//
// Beside the genesis, and beside a chain's first event of each later UTC day,
// stands a record of the day index, so that all chains can be found without a
// Scan:
//
//	PK  chains#{first hex digit of the chain}
//	SK  {YYYY-MM-DD}#{chain}
//	    first N              seq of the chain's first event of that day
//
// A checkpoint, the signed tree over the events 1 … size of a chain:
//
//	PK  checkpoint#{chain}
//	SK  {size:012d}
//	    note S
//
// Events that were copied from another store (internal/copier) lie at the
// chain and seq that they had, without genesis, index or checkpoint, and are
// reached by their pointers. Directory draws its records in blue_keys.
//
// # Commits
//
// Genesis and index are a chain's first commit; an event, with its pointer and
// at times an index record, is part of the commit of its data, or one of its
// own; a checkpoint is one of its own, but for the last, which stands in that
// of the close event. A warm operation takes no commit beside that of its event.
//
// # Hashes
//
// LP(x) is an 8-byte big-endian length, then x. The core of an event is
//
//	LP("blue/1/event") ‖ LP(event_id) ‖ LP(timestamp) ‖ LP(trace_id) ‖
//	LP(span_id) ‖ LP(operation) ‖ LP(key_id) ‖ LP(principal) ‖ LP(outcome) ‖
//	LP(chain) ‖ LP(seq) ‖ LP(dialogue) ‖ LP(root_version) ‖ LP(item_count) ‖
//	LP(items_digest) ‖ LP(item_names) ‖ LP(item_tags) ‖ LP(error_class) ‖
//	LP(previous_hash)
//
// with numbers in decimal and hashes as stored. Then
//
//	core_hash  = SHA-256(core)
//	event_hash = SHA-256(core ‖ LP(root_hash))
//
// A commit's sealed root holds the core hash of its event, and the event's
// root_hash is the SHA-256 of the root_sealed bytes: both stand or fall
// together. previous_hash is the event_hash of the event before in the chain,
// for the first one SHA-256("blue/1/chain/" ‖ chain). All hashes but the
// items' are 64 lower-case hex digits.
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

// Operation is what was done with a key (RFC 0058, CryptoOp).
type Operation string

const (
	Encrypt   Operation = "encrypt"
	Decrypt   Operation = "decrypt"
	DeriveKEK Operation = "derive_kek"
	WrapDEK   Operation = "wrap_dek"
	UnwrapDEK Operation = "unwrap_dek"
	// Genesis is the first event of a chain; its key_id is the verifier key of
	// the checkpoints to come, if there will be any.
	Genesis Operation = "genesis"
	// Close is the last event of a chain whose process ended in order.
	Close Operation = "close"
	// Changes to who may open what.
	Rotate     Operation = "rotate"
	Grant      Operation = "grant"
	Revoke     Operation = "revoke"
	Rewrap     Operation = "rewrap"
	Erase      Operation = "erase"
	DestroyKey Operation = "destroy_key"
	// Void takes the place of an event whose commit has not landed and never
	// can; a chain goes on from it.
	Void Operation = "void"
	// Boundary stands where a dialogue came from another store with the
	// events of its commits: before it the chains of those events may have
	// gaps here. It carries what came: root_version (the number of commits),
	// item_count (meta included) and items_digest.
	Boundary Operation = "boundary"
)

// Outcome is how it ended (RFC 0058).
type Outcome string

const (
	Success Outcome = "success"
	Failure Outcome = "failure"
	Denied  Outcome = "denied"
	// Intent is stored before a key is made or destroyed; the event of the
	// outcome follows.
	Intent Outcome = "intent"
)

const timeFormat = record.TimeLayout // of a time in UTC

// TagSize is the size in bytes of a written item's tag.
const TagSize = 16

// Item is one written item in an event: its sort key and the keyed tag of the
// version that was written (envelope.Keys.Tag).
type Item struct {
	SK  string
	Tag [TagSize]byte
}

// Event is one event of a chain. The fields but EventHash are hashed, in the
// order of the package doc.
type Event struct {
	EventID     string // UUIDv7
	Timestamp   string // UTC, RFC 3339, nine digits
	TraceID     string // OpenTelemetry, 32 hex digits, or ""
	SpanID      string // OpenTelemetry, 16 hex digits, or ""
	Operation   Operation
	KeyID       string // dek#{dialogue}#{version}
	Principal   string
	Outcome     Outcome
	Chain       string
	Seq         uint64
	Dialogue    string
	RootVersion uint64 // the dialogue's version that was written or read
	ItemCount   int64
	ItemsDigest []byte // of a read or a boundary: ItemsDigest
	ItemNames   []byte // of a write: the SKs joined by '\n', raw DEFLATE (RFC 1951)
	ItemTags    []byte // of a write: TagSize bytes an item, in the order of the names
	ErrorClass  string
	Previous    string // hash
	RootHash    string // hash, or "" where no root was written
	EventHash   string // hash

	first uint64 // what the day index gets with it: firstOf
}

// Write fills in what a commit wrote.
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
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, strings.Join(names, "\n")); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	e.ItemCount, e.ItemNames, e.ItemTags = int64(len(items)), b.Bytes(), tags
	return nil
}

// maxNames bounds what a stored event may inflate to: the keys of the
// greatest commit.
const maxNames = record.MaxBatch * (record.MaxItem + 1)

// Items returns what a commit wrote. ErrTampered if the event does not hold
// together.
func (e *Event) Items() ([]Item, error) {
	bad := func(why string) ([]Item, error) {
		return nil, fmt.Errorf("%w: audit event %s seq %d: %s", blue.ErrTampered, e.Chain, e.Seq, why)
	}
	if len(e.ItemNames) == 0 {
		return nil, nil
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(e.ItemNames)), maxNames+1))
	if err != nil || len(text) > maxNames {
		return bad("item_names does not inflate")
	}
	names := strings.Split(string(text), "\n")
	if int64(len(names)) != e.ItemCount || len(names)*TagSize != len(e.ItemTags) {
		return bad("item_count, item_names and item_tags differ in length")
	}
	items := make([]Item, len(names))
	for i, name := range names {
		items[i].SK = name
		copy(items[i].Tag[:], e.ItemTags[i*TagSize:])
	}
	return items, nil
}

// ItemsDigest returns the digest of items as they are stored: SHA-256 over
// LP(SK) ‖ item_mac of each, in the order given, which is ascending by SK. It
// takes no key.
func ItemsDigest(items []record.Record) []byte {
	h := sha256.New()
	for _, r := range items {
		h.Write(appendLP(nil, []byte(r.Key.Item)))
		h.Write(r.Attrs["item_mac"].Bin())
	}
	return h.Sum(nil)
}

// core returns the bytes that are hashed.
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

func appendLP(b, x []byte) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(x))), x...)
}

// CoreHash returns the hash that a sealed root holds, 64 hex digits.
func (e *Event) CoreHash() string { return hexHash(e.core()) }

// Close sets the root's hash ("" for none) and with it the event's own.
func (e *Event) Close(rootHash string) {
	e.RootHash = rootHash
	e.EventHash = e.hash()
}

func (e *Event) hash() string { return hexHash(appendLP(e.core(), []byte(e.RootHash))) }

// leaf returns the event's hash as the trees take it: 32 bytes.
func (e *Event) leaf() []byte {
	raw, _ := hex.DecodeString(e.EventHash) // hexHash made it
	return raw
}

// Intact reports whether the event's hash is that of its fields.
func (e *Event) Intact() bool { return e.EventHash == e.hash() }

// RootHash returns the hash of a root_sealed attribute, 64 hex digits.
func RootHash(sealed []byte) string { return hexHash(sealed) }

// genesis is the previous_hash of a chain's first event.
func genesis(chain string) string { return hexHash([]byte("blue/1/chain/" + chain)) }

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
