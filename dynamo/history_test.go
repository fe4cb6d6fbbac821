package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

const simPK = "dialogue#simulated"

// scale is how large a history is.
type scale struct {
	limits             limits
	small              int // new records of a small commit
	largeLow, largeTop int // of a large commit
	payload            int // bytes
	commits            int // of each writer, at most
	pageSize           int
}

var (
	short = scale{
		limits: limits{actions: 9, bytes: 3000, chunk: 700, lease: 3 * time.Second},
		small:  3, largeLow: 12, largeTop: 30, payload: 60, commits: 3, pageSize: 9,
	}
	full = scale{limits: serviceLimits, small: 3, largeLow: 150, largeTop: 400, payload: 3000, commits: 3, pageSize: 60}
)

// history is one run: writers, readers, crashes and a cleaner over one model,
// with their results.
type history struct {
	w     *model
	scale scale
	bug   bug
	seed  uint64

	mu       sync.Mutex
	ops      int
	attempts int
	acked    map[string]bool // operations
	refused  map[string]bool // attempts that were reported as never committed
	events   map[string]record.Key
	writing  int
	busy     int
	exacts   int
	maxTries int
	broken   []string // the oracle's lines
}

func (h *history) fail(line, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken = append(h.broken, line+": "+fmt.Sprintf(format, args...))
}

func (h *history) process(name string, l *link) *Store {
	var a api = l
	if h.bug.wrap != nil {
		a = h.bug.wrap(a)
	}
	limits := h.scale.limits
	switch limits.leftover = 0; {
	case h.w.chance(0.3):
		limits.leftover = time.Second
	case h.w.chance(0.3):
		limits.leftover = 15 * time.Minute
	}
	return h.w.store(a, name, limits)
}

// mac is a fresh random item_mac.
func (h *history) mac() record.Value {
	h.w.mu.Lock()
	defer h.w.mu.Unlock()
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(h.w.rng.UintN(256))
	}
	return record.B(b)
}

// load reads a partition as the sealing store does: a plain Query, and if that
// is inconsistent, the Settle rule.
func (h *history) load(ctx context.Context, s *Store, forUpdate bool) (view, error) {
	q := record.Query{Table: record.Dialogues, Partition: simPK, ForUpdate: forUpdate && !h.bug.plainUpdate}
	var last string
	var same int
	var since time.Time
	for range 200 {
		records, err := s.Query(ctx, q)
		if err != nil {
			if errors.Is(err, blue.ErrTampered) {
				h.fail("false alarm", "%v", err)
			}
			return view{}, err
		}
		v, wrong := look(records)
		if wrong == "" {
			return v, nil
		}
		if q.Exact {
			print := fmt.Sprint(wrong, len(records), v.meta.Attrs[macName].Bin())
			if print != last {
				last, same, since = print, 0, time.Now()
			}
			same++
			if reads, over := s.Settle(); same >= reads && time.Since(since) >= over {
				h.fail("settled inconsistency", "%s", wrong)
				return view{}, errSettled
			}
			time.Sleep(h.w.upTo(time.Second))
		}
		q.Exact = true
		h.mu.Lock()
		h.exacts++
		h.mu.Unlock()
	}
	return view{}, record.ErrBusy
}

var errSettled = errors.New("settled")

// writer is one goroutine with its audit chain.
type writer struct {
	h       *history
	name    string
	store   *Store
	isLarge func() bool
	chain   int
	seq     int
}

// commit does one operation to its end and returns how many tries it took.
func (w *writer) commit(ctx context.Context, op string, most int) (tries int, acked bool) {
	h := w.h
	isLarge, touch := w.isLarge(), h.w.chance(0.15)
	for tries = 1; tries <= most; tries++ {
		v, err := h.load(ctx, w.store, true)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, errSettled) {
				return tries, false
			}
			continue // nothing was written
		}
		attempt := op + "." + strconv.Itoa(tries)
		writes := w.writes(v, op, attempt, isLarge, touch)
		event := writes[len(writes)-1].Record
		h.mu.Lock()
		h.attempts++
		h.events[attempt] = event.Key
		h.mu.Unlock()
		err = w.store.Commit(ctx, writes)
		conflict, isConflict := errors.AsType[*record.ConflictError](err)
		_, isVoid := errors.AsType[*record.VoidedError](err)
		switch {
		case err == nil:
			w.seq++
			h.mu.Lock()
			h.acked[op] = true
			h.mu.Unlock()
			return tries, true
		case isVoid:
			w.seq++
			h.refuse(attempt)
		case isConflict:
			h.refuse(attempt)
			if conflict.Table == record.Audit { // the event of another writer is in this chain
				w.chain, w.seq = w.chain+1, 0
			}
		default: // unknown; the chain is abandoned
			if errors.Is(err, blue.ErrTampered) {
				h.fail("false alarm", "%v", err)
			}
			w.chain, w.seq = w.chain+1, 0
			return tries, false
		}
		time.Sleep(h.w.upTo(time.Millisecond << min(tries, 6)))
	}
	h.mu.Lock()
	h.busy++
	h.mu.Unlock()
	return tries, false
}

func (h *history) refuse(attempt string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refused[attempt] = true
}

// writes returns the writes of one attempt: the meta item, one shared record, new records,
// and the event. A touch changes the meta item alone, and not its version.
func (w *writer) writes(v view, op, attempt string, isLarge, touch bool) []record.Write {
	h := w.h
	created := v.version == 0 && len(v.meta.Attrs) == 0
	touch = touch && !created
	n := h.scale.small
	h.w.mu.Lock()
	if isLarge {
		n = h.scale.largeLow + h.w.rng.IntN(h.scale.largeTop-h.scale.largeLow)
	}
	shared := h.w.rng.IntN(sharedItems)
	h.w.mu.Unlock()

	meta := record.Write{Table: record.Dialogues, Record: record.Record{Key: metaKey(simPK), Attrs: record.Attrs{}}}
	if !created {
		meta.Record = v.meta.Clone()
		meta.Prev = v.meta.Attrs
	}
	meta.Record.Attrs[macName] = h.mac()
	writes := []record.Write{meta}
	if touch {
		meta.Record.Attrs["touched"] = record.N(int64(v.touched + 1))
	} else {
		meta.Record.Attrs["version"] = record.N(int64(v.version + 1))
		meta.Record.Attrs["touched"] = record.N(int64(v.touched))
		meta.Record.Attrs["commits"] = record.S(strings.Join(append(slices.Clone(v.commits), op+":"+strconv.Itoa(n)), " "))
		writes = append(writes, w.shared(v, shared, created)...)
		for i := range n {
			writes = append(writes, record.Write{Table: record.Dialogues, Record: record.Record{
				Key:   record.Key{Partition: simPK, Item: itemSK(v.version+1, i)},
				Attrs: record.Attrs{"op": record.S(op), macName: record.S(attempt), "payload": record.B(make([]byte, h.scale.payload))},
			}})
		}
	}
	key := record.Key{Partition: record.Partition("audit#" + w.name + "." + strconv.Itoa(w.chain)), Item: fmt.Sprintf("%012d", w.seq)}
	kind := "commit"
	if touch {
		kind = "touch"
	}
	return append(writes, record.Write{
		Table:  record.Audit,
		Record: record.Record{Key: key, Attrs: record.Attrs{"attempt": record.S(attempt), "kind": record.S(kind)}},
		Fence:  record.Attrs{"void": record.S(attempt)},
	})
}

func (w *writer) shared(v view, i int, created bool) []record.Write {
	item := func(i int, n int64, prev record.Attrs) record.Write {
		return record.Write{Table: record.Dialogues, Prev: prev, Record: record.Record{
			Key: record.Key{Partition: simPK, Item: sharedSK(i)}, Attrs: record.Attrs{"count": record.N(n), macName: w.h.mac()},
		}}
	}
	if created {
		return []record.Write{item(0, 1, nil), item(1, 0, nil)}
	}
	was := v.records[sharedSK(i)].Attrs
	return []record.Write{item(i, was["count"].Int()+1, record.Attrs{macName: was[macName]})}
}

// think pauses for milliseconds, seconds, or minutes.
func (h *history) think() {
	switch {
	case h.w.chance(0.75):
		time.Sleep(h.w.upTo(60 * time.Millisecond))
	case h.w.chance(0.85):
		time.Sleep(h.w.upTo(5 * time.Second))
	default:
		time.Sleep(h.w.upTo(12 * time.Minute))
	}
}

// write is a writer's life. A crash ends the process; its place is taken by a
// new one with new chains.
func (h *history) write(name string) {
	defer func() { h.mu.Lock(); h.writing--; h.mu.Unlock() }()
	for life, done := 0, 0; done < h.scale.commits; life++ {
		ctx, kill := context.WithCancel(context.Background())
		l := &link{w: h.w, kill: kill}
		if h.w.chance(0.3) {
			l.dieAt, l.dieBack = int(h.w.upTo(60)), h.w.chance(0.5)
		}
		process := fmt.Sprintf("%s.%d", name, life)
		w := &writer{h: h, name: process, store: h.process(process, l), isLarge: func() bool { return h.w.chance(0.35) }}
		for done < h.scale.commits && ctx.Err() == nil {
			done++
			h.mu.Lock()
			h.ops++
			h.mu.Unlock()
			op := fmt.Sprintf("%s-%d", process, done)
			tries, acked := w.commit(ctx, op, 64)
			h.mu.Lock()
			h.maxTries = max(h.maxTries, tries)
			h.mu.Unlock()
			if acked {
				h.sees(ctx, w.store, op)
			}
			h.think()
		}
		kill()
	}
}

// sees checks that an acknowledged operation is there at once, for Get too.
func (h *history) sees(ctx context.Context, s *Store, op string) {
	v, err := h.load(ctx, s, false)
	if err != nil {
		return
	}
	h.holdsAll(v, []string{op}, "acknowledged and not there")
	i := slices.IndexFunc(v.commits, func(c string) bool { return strings.HasPrefix(c, op+":") })
	if i < 0 {
		return // a touch
	}
	_, err = s.Get(ctx, record.Dialogues, record.Key{Partition: simPK, Item: itemSK(i+1, 1)})
	if errors.Is(err, record.ErrNotFound) || errors.Is(err, blue.ErrTampered) {
		h.fail("acknowledged and not there", "%s: %v", op, err)
	}
}

// read is a reader's life. It must see every commit acknowledged before it began.
func (h *history) read(name string) {
	s := h.process(name, &link{w: h.w})
	for range 40 {
		h.mu.Lock()
		over := h.writing == 0
		before := make([]string, 0, len(h.acked))
		for op := range h.acked {
			before = append(before, op)
		}
		h.mu.Unlock()
		if over {
			return
		}
		if v, err := h.load(context.Background(), s, false); err == nil {
			h.holdsAll(v, before, "a reader missed what was acknowledged")
		}
		h.think()
	}
}

func (h *history) holdsAll(v view, ops []string, line string) {
	present := map[string]bool{}
	for _, c := range v.commits {
		op, _, _ := strings.Cut(c, ":")
		present[op] = true
	}
	for _, op := range ops {
		if !present[op] && !h.isTouch(op) {
			h.fail(line, "%s", op)
		}
	}
}

// isTouch reports whether an operation's landed event is a touch.
func (h *history) isTouch(op string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for attempt, key := range h.events {
		if strings.HasPrefix(attempt, op+".") {
			h.w.mu.Lock()
			attrs := h.w.cell(record.Audit, key).record.Attrs
			h.w.mu.Unlock()
			if attrs["kind"].Str() == "touch" && attrs["attempt"].Str() == attempt {
				return true
			}
		}
	}
	return false
}

// clean is a cleaner's life.
func (h *history) clean() {
	s := h.process("cleaner", &link{w: h.w})
	for range 60 {
		h.think()
		h.mu.Lock()
		over := h.writing == 0
		h.mu.Unlock()
		if over {
			return
		}
		h.sweep(s)
	}
}

func (h *history) sweep(s *Store) {
	if meta, _, err := s.api.get(context.Background(), record.Dialogues, metaKey(simPK)); err == nil {
		s.sweep(context.Background(), simPK, meta)
	}
}

// play runs a history to its end; h.broken holds what the oracle found.
func play(seed uint64, sc scale, b bug) *history {
	h := &history{
		w: newModel(rand.New(rand.NewPCG(seed, 4))), scale: sc, bug: b, seed: seed,
		acked: map[string]bool{}, refused: map[string]bool{}, events: map[string]record.Key{},
	}
	h.w.faults = ordinary.scaled([]float64{0, 0.5, 1, 2}[h.w.rng.IntN(4)])
	h.w.faults.forgets = []float64{0, 1}[h.w.rng.IntN(2)]
	h.w.pageSize = 2 + h.w.rng.IntN(sc.pageSize)
	var all sync.WaitGroup
	h.writing = 2 + h.w.rng.IntN(2)
	// Each begins at its own nanosecond: no process draws before that.
	start := func(life func()) {
		at := h.w.upTo(50 * time.Millisecond)
		all.Go(func() {
			time.Sleep(at)
			life()
		})
	}
	readers := 1 + h.w.rng.IntN(2)
	for i := range h.writing {
		start(func() { h.write("w" + strconv.Itoa(i)) })
	}
	for i := range readers {
		start(func() { h.read("r" + strconv.Itoa(i)) })
	}
	start(h.clean)
	all.Wait()
	time.Sleep(45 * time.Minute) // what is late arrives
	synctest.Wait()
	h.end()
	return h
}
