package record

import (
	"context"
	"strings"
	"time"
)

// Unsteady is implemented by stores whose plain Query can return a part of a
// commit in progress (DynamoDB's Query is read-committed). A reader that finds
// a partition inconsistent must read it again with Query.Exact before it
// reports damage.
type Unsteady interface {
	// Settle returns how many exact reads must show the same records, and
	// over which period at least, before an inconsistency is real.
	Settle() (reads int, over time.Duration)
}

// Witness is implemented by stores that must record what became of a read that
// was marked Query.ForUpdate. A commit on top of the read records it. If the
// caller commits nothing, it must call Witness before it passes on anything
// that it read.
type Witness interface {
	// Witness takes the records that Query returned. If it returns an error,
	// the caller must not pass on anything of them.
	Witness(ctx context.Context, records []Record) error
}

// Purger is implemented by stores that keep more of a partition of Dialogues
// than Query returns (DynamoDB's redo log).
type Purger interface {
	// Purge deletes what commits left behind in a partition whose meta item is
	// a tombstone. In any other partition it deletes nothing. It only abandons
	// a commit that has lost some of its log items, so that the partition can
	// be read again. An interrupted Purge can be repeated.
	Purge(ctx context.Context, p Partition) error
	// Leftovers returns the number of items that Purge would delete.
	Leftovers(ctx context.Context, p Partition) (int, error)
}

// Scrubber is implemented by stores whose files can hold bytes of a record
// after the record was deleted (SQLite).
type Scrubber interface {
	// Scrub removes every byte of deleted records of all tables from the files
	// of the store. It returns ErrBusy while other connections read or write.
	// It can take long and needs as much free space as the files use.
	Scrub(ctx context.Context) error
}

// A Copy describes a copy of a store's records that the store cannot change, or
// a place where such copies can exist.
type Copy struct {
	Kind string // "point_in_time", "backup", "file_backup" or "snapshot"
	What string // for people: the name of the table or the backup
	// Made is the time of the copy. It is zero if the time is unknown or the
	// copy is continuous.
	Made time.Time
	// Window is the period after its deletion in which a record can be
	// restored from this copy. It is 0 if Expires specifies the end.
	Window time.Duration
	// Expires is the time when the copy is deleted automatically. It is zero
	// if the copy stays until a person deletes it.
	Expires time.Time
	// Covered reports whether the store sees the copy itself: it stops listing
	// the copy once it is deleted. It is false for a place that the store
	// cannot inspect.
	Covered bool
}

// Inventory is implemented by stores that can list copies of their records.
type Inventory interface {
	// Copies returns the copies of Dialogues and Keys.
	Copies(ctx context.Context) ([]Copy, error)
}

// Identified is implemented by stores that have an identity. Two stores with
// the same records but other copies have different identities.
type Identified interface {
	// Identity returns the names of the store. They stay the same for its
	// whole life and in every process. They are not secret.
	Identity(ctx context.Context) ([]string, error)
}

// SealedWith returns the fingerprint of the master key that most wrapped keys name,
// for example "umk:7c1f09aa52e3d410", or "" if there is none. The fingerprint is
// not authenticated. It is for messages only.
func SealedWith(wraps []Record) (most string) {
	const maxSize = 256 // bytes; longer than the ARN of a KMS key
	count := map[string]int{}
	for _, w := range wraps {
		print := w.Attrs["umk"].Str()
		if print == "" || len(print) > maxSize || strings.ContainsFunc(print, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			continue
		}
		if count[print]++; count[print] > count[most] {
			most = print
		}
	}
	return most
}
