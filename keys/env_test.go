package keys

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/record"
)

// env is a store, a provider and a clock that a test can inspect and change.
type env struct {
	t        *testing.T
	store    *fakeStore
	provider *fakeProvider
	mu       sync.Mutex
	at       time.Time
}

func newEnv(t *testing.T) *env {
	return &env{
		t:        t,
		store:    &fakeStore{records: map[record.Key]record.Record{}},
		provider: newFakeProvider(t, "umk:a"),
		at:       time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
}

func (w *env) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at
}

func (w *env) set(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at = at
}

func (w *env) advance(d time.Duration) { w.set(w.now().Add(d)) }

// ring returns a new Ring on the store, like one of another process.
func (w *env) ring(user string, opts *Options) *Ring {
	if opts == nil {
		opts = &Options{Now: w.now}
	}
	return NewRing(w.store, w.provider, user, opts)
}

// fakeProvider derives keys from a secret in memory and counts its calls.
type fakeProvider struct {
	name   string
	secret *envelope.Secret

	umks, generated, unwrapped atomic.Int64
	fail                       atomic.Pointer[error]
	onUnwrap                   func(context.Context)
}

func newFakeProvider(t *testing.T, name string) *fakeProvider {
	t.Helper()
	b := slices.Repeat([]byte(name), 32)[:32]
	secret, err := envelope.NewSecret(b)
	if err != nil {
		t.Fatal(err)
	}
	return &fakeProvider{name: name, secret: secret}
}

type fakeUMK struct {
	envelope.Redacted
	name string
}

func (u fakeUMK) Fingerprint() string { return u.name }
func (fakeUMK) Destroy()              {}

func (p *fakeProvider) UMK(context.Context) (UMK, error) {
	p.umks.Add(1)
	if err := p.fail.Load(); err != nil {
		return nil, *err
	}
	return fakeUMK{name: p.name}, nil
}

func (p *fakeProvider) DeriveKEK(_ context.Context, umk UMK, user string) (*KEK, error) {
	secret, err := p.secret.Derive(user)
	if err != nil {
		return nil, err
	}
	return NewKEK(user, umk.Fingerprint(), secret), nil
}

func (p *fakeProvider) GenerateDEK(_ context.Context, kek *KEK, b Binding) (*envelope.Secret, Wrapped, error) {
	p.generated.Add(1)
	return kek.Generate(b)
}

func (p *fakeProvider) UnwrapDEK(ctx context.Context, kek *KEK, b Binding, w Wrapped) (*envelope.Secret, error) {
	p.unwrapped.Add(1)
	if p.onUnwrap != nil {
		p.onUnwrap(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return kek.Unwrap(b, w)
}

// fakeStore is one table in memory. Tests can inspect it and change its behaviour.
type fakeStore struct {
	mu       sync.Mutex
	records  map[record.Key]record.Record
	onGet    func(context.Context, record.Key) // after the record was read
	onCommit func([]record.Write)
	fail     error // of every Commit
}

func (s *fakeStore) Get(ctx context.Context, _ record.Table, key record.Key) (record.Record, error) {
	s.mu.Lock()
	r, ok := s.records[key]
	s.mu.Unlock()
	if s.onGet != nil {
		s.onGet(ctx, key)
	}
	if !ok {
		return record.Record{}, record.ErrNotFound
	}
	return r, nil
}

func (s *fakeStore) Query(_ context.Context, q record.Query) ([]record.Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []record.Record
	for key, r := range s.records {
		if key.Partition == q.Partition && key.Item > q.After {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b record.Record) int { return cmp.Compare(a.Key.Item, b.Key.Item) })
	return found, nil
}

func (s *fakeStore) Commit(_ context.Context, writes []record.Write) error {
	if err := record.CheckBatch(writes); err != nil {
		return err
	}
	if s.onCommit != nil {
		s.onCommit(writes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return s.fail
	}
	for _, w := range writes {
		if found, ok := s.records[w.Record.Key]; !w.IsMet(found, ok) {
			return &record.ConflictError{Table: w.Table, Key: w.Record.Key}
		}
	}
	for _, w := range writes {
		switch {
		case w.Check:
		case len(w.Record.Attrs) == 0:
			delete(s.records, w.Record.Key)
		default:
			s.records[w.Record.Key] = w.Record.Clone()
		}
	}
	return nil
}

func (s *fakeStore) Index(context.Context, record.Index, string) ([]record.Record, error) {
	return nil, blue.ErrUnavailable
}

func (s *fakeStore) Close() error { return nil }
