package erasure_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/keys/awskms"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// smearing is a SQLite store whose file of keys holds, before each commit that
// destroys something in it, copies of every row in its free space: what a file
// comes to in which rows were moved. Its next scrubs fail with err.
type smearing struct {
	*sqlite.Store
	t      testing.TB
	path   string // of the file of keys
	copies int    // of each row next time; then half as many, so that these do not cover those from before
	err    error
}

func (s *smearing) Commit(ctx context.Context, writes []record.Write) error {
	if writes[0].Table == record.Keys && slices.ContainsFunc(writes, func(w record.Write) bool { return w.Prev != nil }) {
		s.smear()
	}
	return s.Store.Commit(ctx, writes)
}

func (s *smearing) Scrub(ctx context.Context) error {
	if s.err != nil {
		return s.err
	}
	return s.Store.Scrub(ctx)
}

// smear writes every row again and deletes it as a program would that zeroes
// nothing.
func (s *smearing) smear() {
	s.t.Helper()
	db, err := sql.Open("sqlite", s.path+"?_pragma=secure_delete(0)&_pragma=busy_timeout(5000)")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	s.copies = max(1, s.copies/2)
	for _, query := range []string{
		fmt.Sprintf("WITH n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d) INSERT INTO blue_keys SELECT 'smear#' || i || PK, SK, attrs, blobs FROM blue_keys, n", s.copies),
		"DELETE FROM blue_keys WHERE PK LIKE 'smear#%'",
		"PRAGMA wal_checkpoint(TRUNCATE)",
	} {
		if _, err := db.Exec(query); err != nil {
			s.t.Fatalf("%s: %v", query, err)
		}
	}
}

// membership opens a store as one user after the other.
type membership func(records record.Store, user string, log *audit.Log) sealedStore

// TestEraseUserInFiles: after the erasure of a user nothing of theirs is
// anywhere in the files of a store that is still open: not the wrapped keys of
// dialogues that went, nor of one that others keep, nor their stored key, and
// once they are forgotten not their name. Before it they are, which shows that
// the search finds them. Stopped before its last scrub, the same run again does
// that one.
func TestEraseUserInFiles(t *testing.T) {
	for name, c := range map[string]struct {
		open  func(t *testing.T) membership
		wraps int // of the user
	}{
		"key file": {func(t *testing.T) membership {
			umk := filepath.Join(t.TempDir(), "umk.key")
			return func(records record.Store, user string, log *audit.Log) sealedStore {
				p := sealedtest.Key(umk)
				return sealedStore{encrypted.New(records, p, user, log, nil)}
			}
		}, 2},
		"KMS": {func(t *testing.T) membership {
			arn := kmstest.Key(t)
			return func(records record.Store, user string, log *audit.Log) sealedStore {
				p, err := awskms.New(arn, kmstest.Client(kmstest.Endpoint(t), user), records, nil)
				if err != nil {
					t.Fatal(err)
				}
				return sealedStore{encrypted.New(records, p, user, log, nil)}
			}
		}, 3},
	} {
		for _, stopped := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stopped %t", name, stopped), func(t *testing.T) { eraseUserInFiles(t, c.open(t), c.wraps, stopped) })
		}
	}
}

func eraseUserInFiles(t *testing.T, open membership, wraps int, stopped bool) {
	const user = "bartholomew"
	ctx, dir := t.Context(), t.TempDir()
	inner, err := sqlite.Open(ctx, filepath.Join(dir, "blue.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &smearing{Store: inner, t: t, path: filepath.Join(dir, "blue.db.keys"), copies: 256}
	directory := audit.NewDirectory(s)
	as := func(user string) sealedStore {
		return open(s, user, audit.NewLog(s, user, &audit.Options{Principals: directory}))
	}
	ada, theirs := as("ada"), as(user)
	for id, owner := range map[blue.DialogueID]sealedStore{"tea": ada, "water": ada, "coffee": theirs} {
		dialoguetest.Must(t)(owner.Create(ctx, id, blue.NewDialogue{Title: "T"}))
	}
	dialoguetest.Must(t)(ada.Grant(ctx, "tea", user))
	dialoguetest.Must(t)(theirs.Load(ctx, "tea"))

	secrets := map[string][]byte{"the name": []byte(user)}
	for _, pk := range []record.Partition{"dialogue#tea", "dialogue#coffee", record.UserPartition(user)} {
		for sk, w := range (&dialoguetest.Fixture{T: t, Records: s}).Wraps(pk) {
			if sk != "wrap#0000000001#ada" {
				secrets[string(pk)+" "+sk] = w
			}
		}
	}
	if len(secrets) != wraps+1 {
		t.Fatalf("%d wrapped keys, want %d", len(secrets)-1, wraps)
	}
	find := func() []string {
		found, _ := dialoguetest.Search(t, dir, secrets)
		return found
	}
	if _, n := dialoguetest.Search(t, dir, secrets); n != len(secrets) {
		t.Fatalf("the search finds %d of %d", n, len(secrets))
	}
	if _, err := ada.EraseUser(ctx, user, each("tea", "water", "coffee")); err != nil {
		t.Fatal(err)
	}
	if found := find(); !slices.Equal(found, []string{"blue.db.keys contains the name"}) {
		t.Errorf("after the erasure: %v", found)
	}
	if stopped {
		s.err = record.ErrBusy
	}
	if err := ada.ForgetUser(ctx, user); !errors.Is(err, s.err) {
		t.Fatal(err)
	}
	if stopped {
		if len(find()) == 0 {
			t.Error("there is nothing left to scrub")
		}
		s.err = nil
		if _, err := ada.EraseUser(ctx, user, each("tea")); !errors.Is(err, blue.ErrNotFound) {
			t.Errorf("again: %v", err)
		}
	}
	if found := find(); len(found) > 0 {
		t.Errorf("after their name was forgotten: %v", found)
	}
	dialoguetest.Must(t)(ada.Load(ctx, "tea"))
	if err := inner.Close(); err != nil {
		t.Fatal(err)
	}
	if found := find(); len(found) > 0 {
		t.Errorf("closed: %v", found)
	}
}
