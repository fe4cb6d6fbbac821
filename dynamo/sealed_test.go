package dynamo_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamotest"
	"github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/record"
)

const id blue.DialogueID = "which-cache"

// fixture holds a sealed store on DynamoDB Local behind a proxy that counts.
type fixture struct {
	*testing.T
	config  dynamo.Config // of the server without the proxy
	proxy   *faultproxy.Proxy
	records *watched
	umk     string
	store   sealedStore
}

type sealedStore = *encrypted.Store

func newFixture(t *testing.T) *fixture {
	t.Helper()
	c := dynamotest.Config(t)
	proxy := faultproxy.New(c.Endpoint)
	t.Cleanup(proxy.Close)
	straight := c
	c.Endpoint = proxy.URL
	w := &fixture{T: t, config: straight, proxy: proxy, records: &watched{Store: dynamotest.Open(t, c)}, umk: filepath.Join(t.TempDir(), "umk.key")}
	w.store = w.open(w.records)
	if _, err := w.store.Create(t.Context(), id, blue.NewDialogue{Title: "T"}); err != nil {
		t.Fatal(err)
	}
	return w
}

// open opens a sealed store, as another process would.
func (w *fixture) open(records record.Store) sealedStore {
	provider := sealedtest.Key(w.umk)
	s := encrypted.New(records, provider, "muffin", audit.NewLog(records, "muffin", nil), nil)
	w.Cleanup(func() { s.Close() })
	return s
}

// watched notes how many writes the last commit to a dialogue had.
type watched struct {
	*dynamo.Store
	writes atomic.Int64
}

func (s *watched) Commit(ctx context.Context, writes []record.Write) error {
	if writes[0].Table == record.Dialogues {
		s.writes.Store(int64(len(writes)))
	}
	return s.Store.Commit(ctx, writes)
}

func (w *fixture) round(b blue.RoundBatch) {
	w.Helper()
	if _, err := w.store.RegisterRound(w.Context(), id, b); err != nil {
		w.Fatal(err)
	}
}

// moves is a round that puts n items of its own, with size bytes of text in
// each. The commit has four writes more: meta, the round, the audit event and
// its pointer.
func moves(round blue.Round, n, size int) blue.RoundBatch {
	b := blue.RoundBatch{Round: round}
	for i := range n {
		b.Moves = append(b.Moves, blue.MoveDraft{
			Expert: blue.ExpertSlug(fmt.Sprintf("e%02d", i/90)), Type: "defend", Context: strings.Repeat("x", size),
		})
	}
	return b
}

const others = 4 // writes of a round next to its moves

// stored is the partition as it is stored, and its size in bytes.
func (w *fixture) stored() (items []record.Record, bytes int) {
	w.Helper()
	items, err := w.records.Query(w.Context(), record.Query{Table: record.Dialogues, Partition: record.DialoguePartition(string(id))})
	if err != nil {
		w.Fatal(err)
	}
	for _, r := range items {
		bytes += r.Size()
	}
	return items, bytes
}
