// Package freshness remembers the newest state of each dialogue that a client
// has seen, so that a restored older copy of the store is noticed.
//
// It only stores and returns records. Package internal/seal writes them after
// each commit and load, and compares them with the store.
package freshness

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/fsutil"
)

// A Record is the newest state of one dialogue that a client has seen.
type Record struct {
	Dialogue    string `json:"dialogue"`
	Incarnation string `json:"incarnation"` // drawn when the dialogue was created, 32 hex digits
	Version     uint64 `json:"version"`     // counts the commits to the dialogue
	RootHash    string `json:"root_hash"`   // SHA-256 of the attribute root_sealed, 64 hex digits
	// KeyVersion is the version of the key that encrypts the meta item, and Key
	// is its public key (envelope.Keys.Public, 64 hex digits). They are 0 and ""
	// in records of older versions of the program.
	KeyVersion uint32 `json:"key_version,omitempty"`
	Key        string `json:"key,omitempty"`
}

// A Store keeps records between runs of a program. All methods may be called
// concurrently.
type Store interface {
	// Get returns the record of a dialogue. The bool reports whether there is
	// one. The error is blue.ErrTampered if the record cannot be read.
	Get(dialogue string) (Record, bool, error)
	// Put replaces the record of r.Dialogue. A crash leaves the old record or
	// the new one.
	Put(r Record) error
}

// A Dir is a Store that keeps each record in a file of its own, of mode 0600,
// in the folder that Dir names. The file name is the SHA-256 of the dialogue's
// id in hex digits. If two processes call Put at once, the older of the two
// records can remain. The next load of the dialogue replaces it.
type Dir string

// path returns the path of the file of a dialogue.
func (d Dir) path(dialogue string) string {
	return filepath.Join(string(d), fmt.Sprintf("%x.json", sha256.Sum256([]byte(dialogue))))
}

// Read returns the record in a file of a Dir. The error is blue.ErrUnavailable, or
// blue.ErrTampered if the file does not contain the record that its name requires.
func Read(path string) (Record, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Record{}, fmt.Errorf("%w: %w", blue.ErrUnavailable, err)
	}
	var r Record
	if json.Unmarshal(text, &r) != nil || Dir(filepath.Dir(path)).path(r.Dialogue) != filepath.Clean(path) {
		return Record{}, fmt.Errorf("%w: the freshness record %s cannot be read", blue.ErrTampered, path)
	}
	return r, nil
}

// Get implements Store.
func (d Dir) Get(dialogue string) (Record, bool, error) {
	path := d.path(dialogue)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, false, nil
	}
	var r Record
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil || r.Dialogue != dialogue {
		return Record{}, false, fmt.Errorf("%w: the freshness record %s cannot be read. If you trust the store as it is, run again with --accept-rollback", blue.ErrTampered, path)
	}
	return r, true, nil
}

// Put implements Store. It writes a temporary file, flushes it and renames it.
// It does not flush the folder, because that would delay every commit. After a
// power failure the older record can remain, and the next load replaces it.
// The error is blue.ErrUnavailable.
func (d Dir) Put(r Record) error {
	text, err := json.Marshal(r)
	if err == nil {
		err = os.MkdirAll(string(d), 0o700)
	}
	if err == nil {
		options := fsutil.WriteOptions{Sync: fsutil.SyncFile, Temp: "head-*.tmp"}
		err = fsutil.WriteFile(d.path(r.Dialogue), options, func(temp *os.File) error {
			_, err := temp.Write(text)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("%w: storing the freshness record: %w", blue.ErrUnavailable, err)
	}
	return nil
}

// Dialogues returns the dialogues that have a record, in the order of the file
// names. It skips files that cannot be read, because Get reports them. The
// error is blue.ErrUnavailable.
func (d Dir) Dialogues() ([]string, error) {
	entries, err := os.ReadDir(string(d))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: listing the freshness records: %w", blue.ErrUnavailable, err)
	}
	var dialogues []string
	for _, e := range entries {
		if r, err := Read(filepath.Join(string(d), e.Name())); err == nil {
			dialogues = append(dialogues, r.Dialogue)
		}
	}
	return dialogues, nil
}
