package auditor

import (
	"bytes"
	"context"
	"testing"

	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/record"
)

// erasedLog is a log whose dialogue apple was erased; berry stands.
func erasedLog(t testing.TB) *forge {
	f := newForge(t)
	a := f.chain(0x11)
	a.commit("apple")
	a.commit("berry")
	a.add(audit.Erase, "apple", intent)
	a.add(audit.Erase, "apple")
	f.dialogue["apple"].root = Root{State: Erased}
	a.close()
	return f
}

// TestErased: a tombstone with the events of its erasure is in order, in the
// store and in what Export makes of it; the commits before it still count.
func TestErased(t *testing.T) {
	f := erasedLog(t)
	var text bytes.Buffer
	if err := Export(t.Context(), FromStore(f.store()), &text); err != nil {
		t.Fatal(err)
	}
	file, err := NewFile(bytes.NewReader(text.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]Source{"store": FromStore(f.store()), "file": file} {
		r := f.verify(src)
		if r.Verdict() != OK || r.Commits != 2 || r.Skipped != 0 {
			t.Errorf("%s: %s, %d commits, %d skipped: %v", name, r.Verdict(), r.Commits, r.Skipped, r.Err())
		}
	}
}

// late shows no event of an erasure at the first look at a chain: it landed
// after that chain was read and before the dialogue was looked at.
type late struct {
	Source
	store   record.Store
	intent  record.Record
	tomb    record.Write
	landing bool
}

func (l *late) Root(ctx context.Context, dialogue string) (Root, error) {
	if dialogue == "apple" && !l.landing {
		l.landing = true
		for _, w := range [][]record.Write{{{Table: record.Audit, Record: l.intent}}, {l.tomb}} {
			if err := l.store.Commit(ctx, w); err != nil {
				return Root{}, err
			}
		}
	}
	return l.Source.Root(ctx, dialogue)
}

func TestErasedMeanwhile(t *testing.T) {
	f := newForge(t)
	a := f.chain(0x11)
	a.commit("apple")
	a.sign()
	s := f.store()
	e := a.add(audit.Erase, "apple", intent)
	meta := metaOf("apple", 1)
	tomb := record.Write{Table: record.Dialogues, Prev: meta.Attrs, Record: record.Record{Key: meta.Key, Attrs: record.Attrs{"entity_type": record.S(record.Erased)}}}
	r := f.verify(&late{Source: FromStore(s), store: s, intent: eventRecord(e), tomb: tomb})
	if r.Found != 0 {
		t.Errorf("an erasure that began meanwhile: %v", r.Err())
	}
}
