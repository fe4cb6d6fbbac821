// Package record defines the storage contract that every backend implements:
// keys, records, writes and the interface Store.
//
// The package also holds the size rules and the limits of the strictest
// backend, and the checks that every backend makes before a commit. It knows
// no entity, no cipher and no database client:
//
//   - Entities are mapped to records in internal/engine.
//   - Records are sealed in encrypted, with the keys of package keys and the
//     format of package envelope.
//   - The backends are memory, sqlite and dynamo.
//   - The cases that every backend must pass are in recordtest.
package record

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strconv"
)

// A Table is a logical table. A backend maps it to a file or a physical table.
// MACs and addresses cover the logical name only, so a store can be restored
// under other physical names.
type Table string

// The tables of a store.
const (
	Dialogues Table = "blue_dialogues" // Dialogues holds the items of dialogues, in partitions dialogue#{id}.
	Audit     Table = "blue_audit"     // Audit holds the events of the audit log. A commit may write it together with Dialogues.
	Keys      Table = "blue_keys"      // Keys holds the wrapped keys, in a file or table of its own. A commit never writes it together with another table.
)

// Limits of the strictest backend, DynamoDB (AWS, "Service, account, and table
// quotas in Amazon DynamoDB"). Every backend enforces them with the same errors.
const (
	MaxPartition  = 2048      // MaxPartition is the size limit of a partition key, in bytes.
	MaxItem       = 1024      // MaxItem is the size limit of a sort key, in bytes.
	MaxRecord     = 400 << 10 // MaxRecord is the limit of Record.Size, in bytes.
	MaxBatch      = 10_000    // MaxBatch is the number of writes in one commit.
	MaxBatchBytes = 30 << 20  // MaxBatchBytes is the size of all records in one commit, in bytes.
	MaxChanges    = 90        // MaxChanges is the number of writes with a Prev in one commit, including the meta item and checks.
)

// A commit beyond MaxActions writes or MaxActionBytes does not fit one
// transaction of DynamoDB (100 actions, 4 MB). DynamoDB then stores the new
// records of Dialogues in log items first. All other writes, and one action for
// each log item, must still fit one transaction.
const (
	MaxActions     = 100       // MaxActions is the number of actions in one transaction.
	MaxActionBytes = 3_800_000 // MaxActionBytes is the size of one transaction, in bytes.
	MaxLogChunk    = 350 << 10 // MaxLogChunk is the size of the records in one log item, in bytes of Record.LogSize.
)

// TimeLayout is the layout of every stored time, for time.Time.Format: UTC with
// nine digits of a second. Its texts sort in the order of time. MACs cover such
// texts, so the layout must not change.
const TimeLayout = "2006-01-02T15:04:05.000000000Z"

// A Record is one stored item.
type Record struct {
	Key   Key   // the address of the record
	Attrs Attrs // all attributes other than the key
}

// Clone returns a record with a copy of the attribute map. The values are shared.
func (r Record) Clone() Record { return Record{r.Key, maps.Clone(r.Attrs)} }

// Equal reports whether two records have the same key and attributes.
func (r Record) Equal(o Record) bool {
	return r.Key == o.Key && maps.EqualFunc(r.Attrs, o.Attrs, Value.Equal)
}

// Names returns the attribute names in ascending byte order.
func (r Record) Names() []string { return slices.Sorted(maps.Keys(r.Attrs)) }

// Size returns the size of the record in bytes as DynamoDB counts it (AWS,
// "DynamoDB item sizes and formats"): UTF-8 of names and strings, raw binary,
// and 1 for a boolean. A number takes one byte for two digits, plus one, plus
// one if it is negative.
func (r Record) Size() int {
	size := len("PK") + len(r.Key.Partition) + len("SK") + len(r.Key.Item)
	for name, v := range r.Attrs {
		size += len(name)
		switch v.typ {
		case String:
			size += len(v.str)
		case Bytes:
			size += len(v.bin)
		case Number:
			digits := len(strconv.FormatInt(v.num, 10))
			if v.num < 0 {
				digits++ // the minus sign takes a whole byte
			}
			size += (digits+1)/2 + 1
		default:
			size++
		}
	}
	return size
}

// LogSize returns an upper bound of the bytes that the record takes in a log
// item (dynamo/log.go): Size, and the lengths and the type of each attribute.
func (r Record) LogSize() int { return r.Size() + 5*len(r.Attrs) + 4 }

// A Write is one action of a commit: it stores, deletes or checks one record.
type Write struct {
	Table Table
	// Record replaces the record at its key. Without attributes, the record
	// at the key is deleted, or left as it is if Check is set.
	Record Record
	// Prev is the condition. Nil requires that no record exists at the key.
	// Otherwise a record must exist and contain every attribute of Prev with
	// the same value. Other attributes may differ.
	Prev Attrs
	// Check makes the write a condition only.
	Check bool
	// Fence is for backends whose responses can be lost, and only for a write
	// whose Prev is nil. Such a backend may store Fence at the key, so that
	// the commit can never be written. Commit then returns a *VoidedError.
	Fence Attrs
}

// IsMet reports whether the condition of the write is true for the record found
// at its key. exists is false if no record was found.
func (w Write) IsMet(found Record, exists bool) bool {
	if w.Prev == nil || !exists {
		return w.Prev == nil && !exists
	}
	for name, v := range w.Prev {
		if got, ok := found.Attrs[name]; !ok || !got.Equal(v) {
			return false
		}
	}
	return true
}

// CheckConditions returns a *ConflictError if the condition of a write does not hold.
// If the condition on the meta item and another condition fail, it names the other
// one. get returns the attributes of the record at the key of a write.
func CheckConditions(writes []Write, get func(Write) (attrs Attrs, exists bool, err error)) error {
	var onMeta error
	for _, w := range writes {
		attrs, exists, err := get(w)
		if err != nil {
			return err
		}
		if w.IsMet(Record{Key: w.Record.Key, Attrs: attrs}, exists) {
			continue
		}
		conflict := &ConflictError{Table: w.Table, Key: w.Record.Key}
		if !conflict.IsOnMeta() {
			return conflict
		}
		onMeta = conflict
	}
	return onMeta
}

// A Query selects a partition, or a part of it.
type Query struct {
	Table     Table     // the table to read
	Partition Partition // the partition to read
	// ForUpdate is a promise: the caller commits on top of the result and passes
	// none of it to its own caller before that. The audit event of the commit
	// then also covers the read. A backend may ignore ForUpdate.
	ForUpdate bool
	// Exact asks for all records as of one moment, even if that takes more
	// requests (see Unsteady).
	Exact bool
	// After and Limit select a part of a partition of Audit or Keys: the
	// first Limit records (0 means all) whose sort key is greater than After.
	// Both are ErrInvalid for Dialogues, which is always read whole.
	After string
	Limit int
}

// An Index is one of the indexes over all partitions of Dialogues (RFC 0058,
// "Global Secondary Indexes"). Index GSIn lists the records that have both
// attributes GSInPK and GSInSK as non-empty strings. It orders them by GSInSK
// and then by key.
type Index string

// The indexes of Dialogues.
const (
	ByStatus        Index = "GSI1" // ByStatus lists dialogues by status.
	ByTensionStatus Index = "GSI2" // ByTensionStatus lists tensions by status.
	ByExpert        Index = "GSI3" // ByExpert lists the records of an expert.
)

// Attributes returns the names of the attributes that an index entry holds in
// addition to the keys, if the record has them. They are not sealed. A backend
// whose index keeps copies (DynamoDB: INCLUDE projection, at most 20 names)
// copies these. Other backends may return more.
func (i Index) Attributes() []string {
	names := []string{"entity_type", "created_at", "updated_at"}
	switch i {
	case ByStatus:
		return append(names, "status", "converged_at", "total_rounds", "total_alignment", "calibrated", "domain_id", "ethos_id")
	case ByTensionStatus:
		return append(names, "status")
	case ByExpert:
		return append(names, "tier", "source", "relevance", "first_round", "total_score", "move_type")
	}
	return nil
}

// A Store keeps records. All methods may be called concurrently.
//
// After Commit has returned nil, its records are durable, and every later Get
// and Query in any process returns all of them. Index may lag behind.
//
// Every method can also return these errors:
//
//   - ErrInvalid for an unknown table or index
//   - ErrBusy while other writers keep the store locked
//   - ErrDenied if the caller lacks permission
//   - ErrUnavailable if the store cannot be used
//   - the error of the context if it has ended
type Store interface {
	// Get returns one record, or ErrNotFound.
	Get(ctx context.Context, table Table, key Key) (Record, error)
	// Query returns the records that q selects, as of one moment, in ascending
	// byte order of their sort keys. No record is not an error.
	Query(ctx context.Context, q Query) ([]Record, error)
	// Commit applies all writes or none, under the rules of CheckBatch. It
	// returns a *ConflictError if a condition does not hold, ErrTooLarge or
	// ErrInvalid if CheckBatch does, and *VoidedError, see Write.Fence.
	Commit(ctx context.Context, writes []Write) error
	// Index returns the records whose index partition is pk. Only the
	// attributes that Index.Attributes names are guaranteed.
	Index(ctx context.Context, index Index, pk string) ([]Record, error)
	// Close releases the store. Later calls return ErrUnavailable.
	Close() error
}

// A View describes one kind of record to a backend that can show records to
// people as a table.
type View struct {
	Name    string   // the name of the table, for example "tensions"
	Prefix  string   // the start of the kind's sort keys, if Exact is empty
	Exact   string   // the only sort key of the kind
	Columns []string // the names of the attributes to show, in order
}

// A Type is the type of a Value. It is the byte that an item's MAC covers.
type Type byte

// The types of values.
const (
	String Type = 'S' // String is UTF-8 text (DynamoDB S).
	Number Type = 'N' // Number is an int64 (DynamoDB N).
	Bytes  Type = 'B' // Bytes is binary (DynamoDB B).
	Bool   Type = 'T' // Bool is true or false (DynamoDB BOOL).
)

// A Value is one attribute value. Make one with S, N, B or T. The zero Value is
// not valid.
type Value struct {
	typ Type
	str string
	num int64
	bin []byte
}

// Attrs are the attributes of a record other than its key. Names that begin
// with '_' belong to a backend and never cross the interface Store.
type Attrs map[string]Value

// S returns a string value.
func S(s string) Value { return Value{typ: String, str: s} }

// N returns a number value.
func N(n int64) Value { return Value{typ: Number, num: n} }

// B returns a binary value. The bytes are not copied.
func B(b []byte) Value { return Value{typ: Bytes, bin: b} }

// T returns a boolean value.
func T(b bool) Value {
	if b {
		return Value{typ: Bool, num: 1}
	}
	return Value{typ: Bool}
}

// Type returns the type of the value, 0 for the zero Value.
func (v Value) Type() Type { return v.typ }

// Str returns the text of a String, otherwise "".
func (v Value) Str() string { return v.str }

// Int returns the number of a Number, otherwise 0.
func (v Value) Int() int64 {
	if v.typ != Number {
		return 0
	}
	return v.num
}

// Bin returns the bytes of a Bytes value, otherwise nil. They are not copied.
func (v Value) Bin() []byte { return v.bin }

// True returns the value of a Bool, otherwise false.
func (v Value) True() bool { return v.typ == Bool && v.num == 1 }

// Equal reports whether two values have the same type and content.
func (v Value) Equal(w Value) bool {
	return v.typ == w.typ && v.str == w.str && v.num == w.num && bytes.Equal(v.bin, w.bin)
}

// Canonical returns the bytes of the value that a MAC or a hash covers: UTF-8
// of a String, the shortest decimal of a Number, the bytes of a Bytes value,
// "0" or "1" for a Bool.
func (v Value) Canonical() []byte {
	switch v.typ {
	case String:
		return []byte(v.str)
	case Number, Bool:
		return strconv.AppendInt(nil, v.num, 10)
	default:
		return v.bin
	}
}

// Values of entity_type of a meta item that does not belong to a readable
// dialogue.
const (
	// Erased marks a tombstone: the meta item of an erased dialogue. It is
	// kept forever, so that a pending commit of the dialogue fails and its id
	// is never used again.
	Erased = "erased"
	// Unfinished marks a partition that is being copied in several commits
	// (internal/copier). The partition holds some items of a dialogue and no
	// root, so it must not be read.
	Unfinished = "unfinished_copy"
)

// IsErased reports whether a record is the meta item of an erased dialogue.
func IsErased(r Record) bool { return isMeta(r, Erased) }

// IsUnfinished reports whether a record is the meta item of an unfinished copy.
func IsUnfinished(r Record) bool { return isMeta(r, Unfinished) }

func isMeta(r Record, entityType string) bool {
	return r.Key.Item == Meta && r.Attrs["entity_type"].Str() == entityType
}
