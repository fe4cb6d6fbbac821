package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// lockFile takes the write lock of a file, like another process.
func lockFile(t *testing.T, path string) *sql.DB {
	t.Helper()
	db := raw(t, path)
	if _, err := db.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, &sqlite.Options{BusyTimeout: 30 * time.Millisecond})
	mustCommit(t, s, put(record.Meta, generation(0)))
	other := lockFile(t, path)
	next := []record.Write{put("a", generation(0)), change(record.Meta, generation(0), generation(1))}
	if err := s.Commit(t.Context(), next); !errors.Is(err, record.ErrBusy) || errors.Is(err, record.ErrConflict) {
		t.Errorf("commit: %v, want ErrBusy", err)
	}
	if n := len(query(t, s, record.Dialogues)); n != 1 {
		t.Errorf("%d records are stored, want 1", n)
	}
	mustCommit(t, s, in(record.Keys, put("header", generation(0)))) // the other file has another lock

	patient := open(t, path, nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := patient.Commit(ctx, next); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("commit with a deadline: %v", err)
	}
	if _, err := other.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s, next...)
}

// TestOpenBusy opens a new file that another process keeps locked.
func TestOpenBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other := raw(t, path)
	if _, err := other.Exec("BEGIN EXCLUSIVE"); err != nil {
		t.Fatal(err)
	}
	if _, err := sqlite.Open(t.Context(), path, &sqlite.Options{BusyTimeout: 30 * time.Millisecond}); !errors.Is(err, record.ErrBusy) {
		t.Errorf("open: %v, want ErrBusy", err)
	}
	if _, err := other.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	open(t, path, nil)
}

// TestOpenWaits: Open waits for a writer that prevents the switch to WAL mode. SQLite
// itself does not wait here, because the switch begins with a read lock.
func TestOpenWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	open(t, path, nil).Close()
	other := raw(t, path)
	for _, statement := range []string{"PRAGMA journal_mode = DELETE", "BEGIN IMMEDIATE"} {
		if _, err := other.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := sqlite.Open(t.Context(), path, &sqlite.Options{BusyTimeout: time.Millisecond}); !errors.Is(err, record.ErrBusy) {
		t.Errorf("open while another writes: %v, want ErrBusy", err)
	}
	ended := make(chan error)
	time.AfterFunc(50*time.Millisecond, func() {
		_, err := other.Exec("ROLLBACK")
		ended <- err
	})
	s, err := sqlite.Open(t.Context(), path, &sqlite.Options{BusyTimeout: time.Minute})
	if err != nil {
		t.Error(err)
	} else {
		s.Close()
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

// TestCancelledCommitIsDefinite cancels commits at random times. A commit is stored if
// and only if it was acknowledged.
func TestCancelledCommitIsDefinite(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, nil)
	mustCommit(t, s, put(record.Meta, generation(0)))
	const seed = 58
	random := rand.New(rand.NewPCG(seed, seed))
	gen, failed := 0, 0
	for i := range campaigntest.Length(50, 150, 1500) {
		writes := []record.Write{change(record.Meta, generation(gen), generation(gen+1))}
		for j := range 100 {
			writes = append(writes, put(numbered("claim", i*100+j), generation(gen+1)))
		}
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(time.Duration(random.IntN(8_000))*time.Microsecond, cancel)
		err := s.Commit(ctx, writes)
		timer.Stop()
		cancel()
		switch {
		case err == nil:
			gen++
		case errors.Is(err, context.Canceled):
			failed++
		default:
			t.Fatal(err)
		}
		records := query(t, s, record.Dialogues)
		if len(records) != gen*100+1 || records[len(records)-1].Attrs["gen"].Int() != int64(gen) {
			t.Fatalf("after commit %d (%v): %d records, want %d", i, err, len(records), gen*100+1)
		}
	}
	t.Logf("%d commits, %d cancelled", gen, failed)
}

// TestDestroyedKeysAreGone looks for the bytes of a deleted wrap in the files.
func TestDestroyedKeysAreGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, nil)
	secret, kept := bytes.Repeat([]byte("secret"), 10), bytes.Repeat([]byte("kept"), 15)
	wrap := record.Attrs{"wrapped": record.B(secret)}
	mustCommit(t, s,
		in(record.Keys, put("wrap#1", wrap)),
		in(record.Keys, put("wrap#2", record.Attrs{"wrapped": record.B(kept)})))
	onDisk := func(what []byte) bool {
		for _, suffix := range []string{".keys", ".keys-wal"} {
			b, err := os.ReadFile(path + suffix)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if bytes.Contains(b, what) {
				return true
			}
		}
		return false
	}
	if !onDisk(secret) || !onDisk(kept) {
		t.Fatal("the wraps are not on disk in plain form")
	}
	mustCommit(t, s, in(record.Keys, change("wrap#1", wrap, nil)))
	if onDisk(secret) {
		t.Error("a deleted wrap is still in the files")
	}
	if !onDisk(kept) {
		t.Error("the other wrap is missing too")
	}
}

// TestLaterProcessesSeeCommits: a commit of one store is visible in another store on
// the same path at once.
func TestLaterProcessesSeeCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	stores := []*sqlite.Store{open(t, path, nil), open(t, path, nil)}
	mustCommit(t, stores[0], put(record.Meta, generation(0)))
	for gen := range 50 {
		writer, reader := stores[gen%2], stores[1-gen%2]
		mustCommit(t, writer, change(record.Meta, generation(gen), generation(gen+1)))
		r, err := reader.Get(t.Context(), record.Dialogues, record.Key{Partition: pk, Item: record.Meta})
		if err != nil || r.Attrs["gen"].Int() != int64(gen+1) {
			t.Fatalf("generation %d: read %v, %v", gen+1, r.Attrs, err)
		}
	}
}

func BenchmarkQuery1000(b *testing.B) {
	s, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "store.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	writes := []record.Write{put(record.Meta, generation(0))}
	for i := range 999 {
		writes = append(writes, put(numbered("claim", i), record.Attrs{
			"entity_type": record.S("claim"), "status": record.S("open"), "expert": record.S("muffin"),
			"created_at": record.S("2026-01-02T15:04:05.000000000Z"), "updated_at": record.S("2026-01-02T15:04:05.000000000Z"),
			"key_id": record.S("dek#d#1"), "round": record.N(3), "seq": record.N(int64(i)), "aad_hash": record.S(string(bytes.Repeat([]byte("0"), 64))),
			"content_encrypted": record.B(make([]byte, 528)), "content_nonce": record.B(make([]byte, 12)), "item_mac": record.B(make([]byte, 32)),
		}))
	}
	if err := s.Commit(b.Context(), writes); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		records, err := s.Query(b.Context(), record.Query{Table: record.Dialogues, Partition: pk})
		if err != nil || len(records) != 1000 {
			b.Fatal(len(records), err)
		}
	}
}
