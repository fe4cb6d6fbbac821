package erasure_test

import (
	"context"
	"errors"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
	"github.com/superviber/blue-encrypted-store/record"
)

// TestEraseLateWriter: a writer who holds the keys is cut off at each of its
// requests, and all of them from there on arrive only after the dialogue was
// erased. Nothing of them is there then, but for pieces of a log, which the
// next run takes away. Sizes: one transaction, and one beyond it, whose redo
// log may be pending when the erasure comes.
func TestEraseLateWriter(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"small": 3, "big": 99} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits for what it cuts off
			landed, late := 0, 0
			for nth := 1; ; nth++ {
				c := dynamotest.Config(t)
				proxy := faultproxy.New(c.Endpoint)
				direct := dynamotest.Open(t, c)
				c.Endpoint = proxy.URL
				h := newFixture(t, steady{direct})
				h.Fill(12, 10)
				writer := h.Over(dynamotest.Open(t, c), "ada")
				dialoguetest.Must(t)(writer.Load(t.Context(), tea))

				cutOff := faultproxy.Script{{Operation: "TransactWriteItems", Nth: nth, Times: 1000, Fault: faultproxy.Late(0)}}
				if nth == 1 { // the writer's own events too
					cutOff = append(cutOff, faultproxy.Rule{Operation: "PutItem", Fault: faultproxy.Late(0)})
				}
				proxy.Play(cutOff.Decide)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				_, err := writer.RegisterRound(ctx, tea, dialoguetest.MovesOf(50, size, 3000))
				cancel()
				struck := false
				for _, e := range proxy.Log() {
					struck = struck || e.Fault == faultproxy.LateRequest
				}
				if !struck {
					proxy.Close()
					break
				}
				got, eraseErr := h.As("ada").Erase(t.Context(), tea)
				if eraseErr != nil {
					t.Fatalf("cut off at write %d (%v): %v", nth, err, eraseErr)
				}
				switch got.Items {
				case 12:
				case int64(12 + 1 + size):
					landed++ // some with a log that was still to be rolled forward
				default:
					t.Errorf("cut off at write %d: %d items; want 12 or %d", nth, got.Items, 13+size)
				}
				late += proxy.Release()
				proxy.Settle()
				pieces, lookErr := direct.Leftovers(t.Context(), record.DialoguePartition(string(tea)))
				if lookErr != nil {
					t.Fatal(lookErr)
				}
				if pieces > 0 {
					if size < 90 {
						t.Errorf("cut off at write %d: %d pieces of a log", nth, pieces)
					}
					again, err := h.As("ada").Erase(t.Context(), tea)
					if err != nil || again.Already {
						t.Errorf("erased again with %d pieces of a log there: %+v, %v", pieces, again, err)
					}
				}
				h.wantErased(got.Items)
				proxy.Play(nil)
				if _, err := writer.RegisterRound(t.Context(), tea, dialoguetest.MovesOf(51, 1, 1)); !errors.Is(err, blue.ErrErased) {
					t.Errorf("cut off at write %d, the writer can still write: %v", nth, err)
				}
				proxy.Close()
				if t.Failed() {
					t.FailNow()
				}
			}
			t.Logf("%d requests arrived late; %d commits had landed before the erasure", late, landed)
			if late == 0 || size > 90 && landed == 0 {
				t.Error("this test cannot fail")
			}
		})
	}
}

// tardy is a store that looks away: what it lets pass after the first look at
// the partition is another item than the one it showed, as a writer that was
// not seen would leave it. An erasure that deletes without a condition would
// count the one and destroy the other.
type tardy struct {
	record.Store
	t    *testing.T
	done bool
}

func (s *tardy) Commit(ctx context.Context, writes []record.Write) error {
	if !s.done && len(writes) > 1 && writes[0].Table == record.Dialogues && record.IsErased(writes[0].Record) {
		s.done = true
		key := writes[1].Record.Key
		now, err := s.Store.Get(ctx, record.Dialogues, key)
		if err != nil {
			s.t.Error(err)
		}
		other := now.Clone()
		other.Attrs["item_mac"] = record.B(make([]byte, 32))
		tomb := record.Write{Table: record.Dialogues, Record: record.Record{Key: writes[0].Record.Key, Attrs: writes[0].Prev}, Prev: writes[0].Prev}
		if err := s.Store.Commit(ctx, []record.Write{tomb, {Table: record.Dialogues, Record: other, Prev: now.Attrs}}); err != nil {
			s.t.Error(err)
		}
	}
	return s.Store.Commit(ctx, writes)
}

// TestEraseCountsWhatItDestroys: the digest is that of what was there in the end.
func TestEraseCountsWhatItDestroys(t *testing.T) {
	h := newFixture(t, dynamotest.Store(t))
	h.Records = steady{h.Records}
	h.Fill(20, 5)
	stored := h.Items()
	first := "~"
	for sk := range stored {
		if sk != record.Meta {
			first = min(first, sk)
		}
	}
	s := &tardy{Store: h.Records, t: t}
	got, err := h.Over(s, "ada").Erase(t.Context(), tea)
	if err != nil || !s.done {
		t.Fatal(err, s.done)
	}
	other := stored[first].Clone()
	other.Attrs["item_mac"] = record.B(make([]byte, 32))
	stored[first] = other
	if want := digestOf(stored); got.Digest != want || got.Items != 20 {
		t.Errorf("%d items with digest %s; want 20 with %s", got.Items, got.Digest, want)
	}
}
