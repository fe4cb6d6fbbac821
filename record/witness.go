package record

import "context"

// Witness is implemented by stores that must know what became of a read that
// was marked ForUpdate. Such a read is vouched for by the Commit on top of it.
// Where none follows, because the request was refused or had nothing to
// change, the reader calls Witness before it tells anybody what it read.
type Witness interface {
	// Witness takes the records that Query returned. An error means that
	// nothing of them may be told.
	Witness(ctx context.Context, records []Record) error
}
