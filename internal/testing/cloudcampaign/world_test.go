package cloudcampaign

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/record"
)

type sealedStore = *encrypted.Store

// world is a set of tables of its own, and a master key.
type world struct {
	endpoint string
	prefix   string
	umk      string
	plain    *http.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		endpoint: localtest.Endpoint(t), prefix: "c" + strings.ToLower(rand.Text()[:10]) + "-", umk: filepath.Join(t.TempDir(), "umk.key"),
		plain: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
	admin, err := tables.Open(dynamo.Config{Endpoint: w.endpoint, Prefix: w.prefix})
	check(t, err)
	found, err := admin.Create(t.Context())
	check(t, err)
	check(t, admin.Check(found))
	t.Cleanup(w.plain.CloseIdleConnections)
	return w
}

// lease is shorter than the ordinary one: writers that stop with a lease in
// their hand are the rule here, and all writers wait for each.
const lease = 500 * time.Millisecond

// records opens the record store at an endpoint; nil is the plain client.
func (w *world) records(t testing.TB, endpoint string, client aws.HTTPClient) *dynamo.Store {
	t.Helper()
	if client == nil {
		client = w.plain
	}
	records, err := dynamo.Open(t.Context(), dynamo.Config{Endpoint: endpoint, Prefix: w.prefix, HTTPClient: client, Lease: lease})
	check(t, err)
	return records
}

// open seals records, as a new process does.
func (w *world) open(t testing.TB, records record.Store) sealedStore {
	t.Helper()
	provider := sealedtest.Key(w.umk)
	store := encrypted.New(records, provider, "muffin", audit.NewLog(records, "muffin", nil), &encrypted.Options{Freshness: &heads{}})
	t.Cleanup(func() { store.Close() })
	return store
}

// clean opens a store that no fault meets.
func (w *world) clean(t testing.TB) sealedStore { return w.open(t, w.records(t, w.endpoint, nil)) }

// heads holds a client's memory of what it has seen.
type heads struct {
	mu   sync.Mutex
	seen map[string]freshness.Record
}

func (h *heads) Get(dialogue string) (freshness.Record, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	head, ok := h.seen[dialogue]
	return head, ok, nil
}

func (h *heads) Put(head freshness.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.seen == nil {
		h.seen = map[string]freshness.Record{}
	}
	if head.Incarnation != h.seen[head.Dialogue].Incarnation || head.Version > h.seen[head.Dialogue].Version {
		h.seen[head.Dialogue] = head
	}
	return nil
}

// batch is a round of n entities, over as many kinds as it needs, and some
// more items of one write each.
func batch(round, n, moves int) blue.RoundBatch {
	b := blue.RoundBatch{Round: blue.Round(round), Score: int64(round), Drafts: map[blue.Kind][]blue.Draft{}}
	kinds := []blue.Kind{blue.KindPerspective, blue.KindTension, blue.KindRecommendation, blue.KindEvidence, blue.KindClaim}
	for i := range n {
		kind := kinds[i*len(kinds)/max(n, 1)]
		if n < 99 {
			kind = blue.KindPerspective
		}
		b.Drafts[kind] = append(b.Drafts[kind], blue.Draft{
			Label: fmt.Sprintf("entity %d of round %d", i, round), Text: strings.Repeat("what was said ", 3), Contributors: []blue.ExpertSlug{"muffin"},
		})
	}
	for i := range moves {
		b.Moves = append(b.Moves, blue.MoveDraft{Expert: blue.ExpertSlug(fmt.Sprintf("muffin-%d", i/99)), Type: "defend", Targets: []string{}})
	}
	return b
}

// entitiesOf counts what a dialogue holds of a round.
func entitiesOf(s *blue.Snapshot, round int) (entities, events, moves, rounds int) {
	ids := map[blue.EntityID]bool{}
	for _, e := range s.Contributed() {
		if int(e.Common().ID.Round) == round {
			ids[e.Common().ID] = true
			entities++
		}
	}
	for _, e := range s.Events {
		if int(e.Round) == round {
			events++
		}
	}
	for _, m := range s.Moves {
		if int(m.Round) == round {
			moves++
		}
	}
	for _, r := range s.Rounds {
		if int(r.Round) == round {
			rounds++
		}
	}
	return entities, events, moves, rounds
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
