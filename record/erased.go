package record

import (
	"context"
	"time"
)

// Erased is the entity_type of a tombstone: the head of a partition whose
// dialogue was erased. It keeps the place for good, so that no commit that was
// made for the dialogue can land any more and its id is never given again.
const Erased = "erased"

// IsErased reports whether a head is of that kind.
func IsErased(head Record) bool {
	return head.Key.Item == Meta && head.Attrs["entity_type"].Str() == Erased
}

// Purger is implemented by stores that keep more of a partition of Dialogues
// than Query shows (DynamoDB's redo log).
type Purger interface {
	// Purge deletes what was left of commits to a partition whose head is a
	// tombstone. Under any other head it gives up a commit of which the rest
	// is lost, so that the partition can be read again, and deletes nothing.
	// Run again it goes on.
	Purge(ctx context.Context, pk Partition) error
	// Leftovers counts what Purge would delete.
	Leftovers(ctx context.Context, pk Partition) (int, error)
}

// Scrubber is implemented by stores whose files still hold bytes of a record
// for a while after it was deleted (SQLite).
type Scrubber interface {
	// Scrub removes every byte of deleted records of all tables from the
	// store's files. ErrBusy while others read or write. It may take long
	// and need as much room again as the files have.
	Scrub(ctx context.Context) error
}

// Copy is one copy of a store's records that the store itself does not reach,
// or one place where there may be some.
type Copy struct {
	Kind string // "point_in_time", "backup", "file_backup", "snapshot"
	What string // for people, e.g. the name of the table or the backup
	// Made is when the copy was made; zero: nobody can tell, or it goes on.
	Made time.Time
	// Window is how long after its deletion a record can be brought back
	// from this copy; 0: the copy itself says when it ends.
	Window time.Duration
	// Expires is when the copy ends by itself; zero: when somebody deletes
	// it, or never.
	Expires time.Time
	// Covered says that the store knows of the copy for certain and will not
	// list it any more once it is gone. False: nobody here can tell.
	Covered bool
}

// Inventory is implemented by stores that know of copies of their records.
type Inventory interface {
	// Copies lists those of Dialogues and Keys.
	Copies(ctx context.Context) ([]Copy, error)
}

// Identified is implemented by stores that can tell themselves from others that
// may hold the same records and list other copies of them.
type Identified interface {
	// Identity names the store: the same for its whole life, in every process
	// and wherever it is reached. It is no secret.
	Identity(ctx context.Context) ([]string, error)
}
