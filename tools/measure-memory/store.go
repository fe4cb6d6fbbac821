package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

const (
	user     = "ada"
	dialogue = "which-cache"
)

func keyPath(folder string) string { return filepath.Join(folder, "keys", "umk.key") }

// withStore opens the store in a folder, calls use, and closes the store.
func withStore(ctx context.Context, folder string, use func(*sqlite.Store, blue.DialogueStore) error) (err error) {
	records, err := sqlite.Open(ctx, filepath.Join(folder, "blue.db"), nil)
	if err != nil {
		return err
	}
	defer func() { err = firstOf(err, records.Close()) }()
	key := localfile.Open(keyPath(folder), &localfile.Options{MayCreate: records.IsEmpty})
	store := encrypted.New(records, key, user, audit.NewLog(records, user, nil), &encrypted.Options{
		Freshness: freshness.Dir(filepath.Join(folder, "heads")),
	})
	defer func() { err = firstOf(err, store.Close()) }()
	return use(records, store)
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// A key is one key to search for.
type key struct {
	name  string
	bytes []byte
}

// prepare creates a store with a small dialogue and returns its keys.
func prepare(ctx context.Context, folder string) (wanted []key, err error) {
	err = withStore(ctx, folder, func(records *sqlite.Store, store blue.DialogueStore) error {
		if err := fill(ctx, store); err != nil {
			return err
		}
		wanted, err = keysOf(ctx, folder, records)
		return err
	})
	return wanted, err
}

func fill(ctx context.Context, store blue.DialogueStore) error {
	if _, err := store.Create(ctx, dialogue, blue.NewDialogue{Title: "Which cache?", Question: "What do we keep in memory?"}); err != nil {
		return err
	}
	first := blue.Round(0)
	if _, err := store.RegisterExpert(ctx, dialogue, blue.NewExpert{Slug: "Muffin", Role: "Economist", Tier: "Core", Source: "pool", FirstRound: &first}); err != nil {
		return err
	}
	batch := blue.RoundBatch{Score: 7, Wisdom: 7, Drafts: map[blue.Kind][]blue.Draft{}, ExpertScores: map[blue.ExpertSlug]int64{"Muffin": 7}}
	for i := range 20 {
		batch.Drafts[blue.KindTension] = append(batch.Drafts[blue.KindTension], blue.Draft{
			Label: fmt.Sprintf("Cost %d", i), Text: "Memory is dear.", Contributors: []blue.ExpertSlug{"Muffin"},
		})
	}
	_, err := store.RegisterRound(ctx, dialogue, batch)
	return err
}

// keysOf derives every key from the key file, as docs/format.md describes.
func keysOf(ctx context.Context, folder string, records record.Store) ([]key, error) {
	b, err := os.ReadFile(keyPath(folder))
	if err != nil {
		return nil, err
	}
	umk, err := envelope.NewSecret(b)
	if err != nil {
		return nil, err
	}
	kek, err := umk.Derive("blue/1/kek/" + user)
	if err != nil {
		return nil, err
	}
	wrap, err := records.Get(ctx, record.Keys, record.DialogueKey(dialogue, "wrap#0000000001#"+user))
	if err != nil {
		return nil, err
	}
	r, err := envelope.UnwrapSecret(kek, user, dialogue, 1, wrap.Attrs["wrapped"].Bin())
	if err != nil {
		return nil, err
	}
	wanted := []key{{"UMK", b}, {"KEK", kek.InsecureBytes()}, {"R", r.InsecureBytes()}}
	for _, k := range []struct{ name, purpose string }{{"DEK", "dek"}, {"K_item", "item"}, {"K_root", "root"}, {"K_seal", "seal"}, {"K_next", "next"}} {
		derived, err := r.Derive("blue/1/" + k.purpose + "/" + dialogue + "/1")
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, key{k.name, derived.InsecureBytes()})
	}
	return wanted, nil
}

// kept contains the copies that a child keeps on purpose. Their number is larger
// than the number of copies that remain in any build.
var kept [100][]byte

// child runs in the measured process. It writes a byte when it waits, and resumes
// when it reads one.
func child(ctx context.Context, folder string, leak bool, in io.Reader, out io.Writer) error {
	wait := func() error {
		if _, err := out.Write([]byte{'.'}); err != nil {
			return err
		}
		_, err := io.ReadFull(in, make([]byte, 1))
		return err
	}
	err := withStore(ctx, folder, func(_ *sqlite.Store, store blue.DialogueStore) error {
		for range 2 {
			if _, err := store.Load(ctx, dialogue); err != nil {
				return err
			}
		}
		return wait()
	})
	if err != nil {
		return err
	}
	if leak {
		for i := range kept {
			if kept[i], err = os.ReadFile(keyPath(folder)); err != nil {
				return err
			}
		}
	}
	for range 5 {
		runtime.GC()
		time.Sleep(2 * time.Millisecond) // finalizers run after a collection
	}
	err = wait()
	runtime.KeepAlive(&kept)
	return err
}
