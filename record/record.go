// Package record is the physical contract: keys, records and the one interface
// that every backend implements.
//
// What belongs here: Key, Value, Record, Write, Store, their sizes and the
// limits of the strictest store. What does not: any entity (internal/engine),
// any key or cipher (encrypted, envelope, keys), any client of a database
// (sqlite, dynamo, memory). recordtest holds what every Store must do.
package record

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// The errors of a Store are the domain's own, so that nobody above needs to
// know a backend's client.
var (
	ErrNotFound    = blue.ErrNotFound
	ErrConflict    = blue.ErrConflict
	ErrBusy        = blue.ErrBusy
	ErrTooLarge    = blue.ErrTooLarge
	ErrInvalid     = blue.ErrInvalid
	ErrUnavailable = blue.ErrUnavailable
)

// ErrDenied: the table is there, and the caller may not do that with it. It is
// ErrUnavailable.
var ErrDenied = fmt.Errorf("%w: denied", ErrUnavailable)

// Table is a logical table. A store maps it to a physical one (with a prefix,
// or a file), which no MAC and no address sees.
type Table string

const (
	Dialogues Table = "blue_dialogues" // PK dialogue#{id}
	Audit     Table = "blue_audit"     // committed together with Dialogues
	Keys      Table = "blue_keys"      // apart: own file or table, own backup, never in the same commit
)

// Limits of the strictest store (DynamoDB's, Service Quotas), which are
// everyone's, with the same error.
const (
	MaxPartition  = 2048      // bytes of a partition key
	MaxItem       = 1024      // bytes of a sort key
	MaxRecord     = 400 << 10 // bytes of a record by Size
	MaxBatch      = 10_000    // writes in one commit
	MaxBatchBytes = 30 << 20  // bytes of all records in one commit
	MaxChanges    = 90        // writes with a Prev in one commit, the head and checks included

	// A commit beyond MaxActions writes or MaxActionBytes does not fit one
	// transaction of DynamoDB (100 actions, 4 MB). Its new records of
	// Dialogues then go into log items, and all other writes, with an action
	// for each log item, must fit.
	MaxActions     = 100
	MaxActionBytes = 3_800_000
	MaxLogChunk    = 350 << 10 // bytes of records in a log item
)

// TimeLayout is the layout of every stored time, for time.Time.Format: UTC with
// nine digits of a second, so that texts sort as times do. MACs cover such
// texts, so the layout must not change.
const TimeLayout = "2006-01-02T15:04:05.000000000Z"

// A Type is the type of a Value, by DynamoDB's letter.
type Type byte

const (
	String Type = 'S'
	Number Type = 'N' // int64
	Bytes  Type = 'B'
	Bool   Type = 'T' // DynamoDB BOOL
)

// Value is one attribute value. The zero Value is not valid; use S, N, B or T.
type Value struct {
	typ Type
	str string
	num int64
	bin []byte
}

// S returns a string value.
func S(s string) Value { return Value{typ: String, str: s} }

// N returns a number value.
func N(n int64) Value { return Value{typ: Number, num: n} }

// B returns a binary value; the bytes are not copied.
func B(b []byte) Value { return Value{typ: Bytes, bin: b} }

// T returns a boolean value.
func T(b bool) Value {
	if b {
		return Value{typ: Bool, num: 1}
	}
	return Value{typ: Bool}
}

// Type returns the value's type, 0 for the zero Value.
func (v Value) Type() Type { return v.typ }

// Str returns the text of an S, "" otherwise.
func (v Value) Str() string { return v.str }

// Int returns the number of an N, 0 otherwise.
func (v Value) Int() int64 {
	if v.typ != Number {
		return 0
	}
	return v.num
}

// Bin returns the bytes of a B, nil otherwise. They are not copied.
func (v Value) Bin() []byte { return v.bin }

// True reports the truth of a T, false otherwise.
func (v Value) True() bool { return v.typ == Bool && v.num == 1 }

// Equal reports whether two values have the same type and content.
func (v Value) Equal(w Value) bool {
	return v.typ == w.typ && v.str == w.str && v.num == w.num && bytes.Equal(v.bin, w.bin)
}

// Canonical returns the bytes of the value that are hashed: UTF-8 of an S,
// shortest decimal of an N, the bytes of a B, "0" or "1" for a T.
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

// Attrs are a record's attributes beside its key. Names that begin with '_'
// belong to a store itself and never cross the interface.
type Attrs map[string]Value

// Record is one stored item.
type Record struct {
	Key   Key
	Attrs Attrs
}

// Clone returns a record whose attribute map may be changed.
func (r Record) Clone() Record { return Record{r.Key, maps.Clone(r.Attrs)} }

// Equal reports whether two records have the same key and attributes.
func (r Record) Equal(o Record) bool {
	return r.Key == o.Key && maps.EqualFunc(r.Attrs, o.Attrs, Value.Equal)
}

// Names returns the attribute names in ascending order.
func (r Record) Names() []string { return slices.Sorted(maps.Keys(r.Attrs)) }

// Size returns the record's size in bytes by DynamoDB's rule ("Item sizes and
// formats"): UTF-8 of names and strings, raw binary, 1 for a boolean, and for
// a number one byte for two digits, plus one, plus one if negative.
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
				digits++ // the sign's character becomes a byte of its own
			}
			size += (digits+1)/2 + 1
		default:
			size++
		}
	}
	return size
}

// Write is one action of a commit.
type Write struct {
	Table Table
	// Record is stored whole under its key, replacing what is there.
	// Without attributes the record at the key is deleted, or, with Check,
	// left alone.
	Record Record
	// Prev is the condition. Nil: no record may be at the key. Otherwise
	// one must be there, and every attribute of Prev must be stored as it
	// is in Prev; other attributes may differ.
	Prev Attrs
	// Check makes the write a condition alone.
	Check bool
	// Fence, on a write that must not exist, is what a store whose answers
	// can get lost may put at the key instead, to settle that the commit
	// has not landed and never can: Commit then answers *VoidedError.
	Fence Attrs
}

// Query asks for a partition.
type Query struct {
	Table     Table
	Partition Partition
	// ForUpdate says that the caller will commit on top of what it reads
	// and hands no content on before; the commit's audit event then stands
	// for the read too. A backend may ignore it.
	ForUpdate bool
	// Exact asks for the records as of one moment even where that costs
	// more; see Unsteady.
	Exact bool
	// After and Limit ask for a part of a partition of Audit or Keys: the
	// first Limit records (0: all) whose SK is greater than After. On
	// Dialogues, which are read whole, they are ErrInvalid.
	After string
	Limit int
}

// Index is one of the three cross-partition indexes (RFC 0058, "Global
// Secondary Indexes"): records that hold both of its attributes as texts that
// are not empty, in ascending order of the second, then of the key.
type Index string

const (
	ByStatus        Index = "GSI1" // attributes GSI1PK, GSI1SK
	ByTensionStatus Index = "GSI2"
	ByExpert        Index = "GSI3"
)

// LogSize bounds the bytes that the record takes in a log item (dynamo/chunk.go):
// lengths and a type for each attribute beside what Size counts.
func (r Record) LogSize() int { return r.Size() + 5*len(r.Attrs) + 4 }

// Store keeps records. All methods may be called concurrently.
//
// Consistency: what Commit acknowledged is durable, and every later Get and
// Query sees it whole, in any process. Index may lag behind and is a hint.
type Store interface {
	// Get returns one record; ErrNotFound.
	Get(ctx context.Context, table Table, key Key) (Record, error)
	// Query returns all records of a partition as of one moment, or the part
	// that q asks for, in ascending byte order of SK; none is not an error.
	Query(ctx context.Context, q Query) ([]Record, error)
	// Commit applies all writes or none. Keys must be distinct; the writes
	// to Dialogues must be of one partition and hold its Head; Keys never
	// stands beside another table. A condition that does not hold is a
	// *ConflictError. Over a limit: ErrTooLarge, before anything is written.
	Commit(ctx context.Context, writes []Write) error
	// Index returns the records of Dialogues whose index partition is pk.
	// Only the attributes that index.Attributes names are promised.
	Index(ctx context.Context, index Index, pk string) ([]Record, error)
	// Close releases the store. Calls after it fail with ErrUnavailable.
	Close() error
}

// Unsteady is implemented by stores whose plain Query may show part of a
// commit that is just landing (DynamoDB's Query is read-committed). Whoever
// finds such a partition inconsistent reads it again, Exact, before believing it.
type Unsteady interface {
	// Settle says how often an exact read must show the same, over how
	// long at least, before an inconsistency is real.
	Settle() (reads int, over time.Duration)
}

// VoidedError says that a commit whose answer was lost has not landed and
// never can: its fence stands at the key. It unwraps to ErrBusy; the work may
// be done again.
type VoidedError struct {
	Table Table
	Key   Key
}

func (e *VoidedError) Error() string {
	return "the commit was not written: " + e.Key.String() + " is fenced"
}

func (e *VoidedError) Unwrap() error { return ErrBusy }

// ConflictError says whose condition failed. It unwraps to ErrConflict.
type ConflictError struct {
	Table Table
	Key   Key
}

func (e *ConflictError) Error() string {
	return "another writer was first at " + e.Key.String()
}

func (e *ConflictError) Unwrap() error { return ErrConflict }

// OnHead reports whether the conflict is on the partition's head alone, so
// that the caller may read again and redo its work.
func (e *ConflictError) OnHead() bool { return e.Table == Dialogues && e.Key.Item == Meta }
