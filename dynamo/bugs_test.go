package dynamo

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
)

// bug is a fault seeded into the protocol from outside: by the requests it
// sends, or by the responses it gets.
type bug struct {
	name        string
	caughtBy    string // the oracle's line that must catch it
	wrap        func(api) api
	plainUpdate bool // load for an update as for reading
}

// bugs are those that the simulation must catch.
var bugs = []bug{
	{name: "meta conditioned on a number", caughtBy: "a lost update of the meta", wrap: editing(onCommit(func(a action) (action, bool) {
		if a.isOnMeta() && !a.when.absent {
			a.when.equal = record.Attrs{"version": a.when.equal["version"]}
		}
		return a, true
	}))},
	{name: "an ambiguous answer resolved by reading meta", caughtBy: "refused and landed", wrap: func(a api) api { return readsMeta{a} }},
	{name: "a cleaner that deletes plainly", caughtBy: "false alarm", wrap: editing(func(actions []action) func(action) (action, bool) {
		if len(actions) == 2 && actions[0].check && actions[0].isOnMeta() && isLog(actions[1]) {
			return func(a action) (action, bool) { return a, isLog(a) }
		}
		return unedited(actions)
	})},
	{name: "the log deleted before the clear is certain", caughtBy: "false alarm", wrap: func(a api) api { return sureOfClear{a} }},
	{name: "the final without its checks of the log", caughtBy: "false alarm", wrap: editing(onCommit(func(a action) (action, bool) {
		return a, !isLog(a)
	}))},
	{name: "a commit without draining", caughtBy: "settled inconsistency", plainUpdate: true, wrap: editing(onCommit(func(a action) (action, bool) {
		a.when.missing = slices.DeleteFunc(slices.Clone(a.when.missing), func(name string) bool { return name == attrPending })
		return a, true
	}))},
	{name: "a refusal believed of what was sent once", caughtBy: "refused and landed", wrap: func(a api) api {
		return believesRefusals{a, &sends{byEvent: map[record.Key]int{}}}
	}},
	{name: "an event proved absent by a plain read", caughtBy: "refused and landed", wrap: func(a api) api { return readsEventPlainly{a} }},
}

func isCommit(actions []action) bool {
	return slices.ContainsFunc(actions, func(a action) bool { return a.table == record.Audit }) &&
		slices.ContainsFunc(actions, action.isOnMeta)
}

func unedited([]action) func(action) (action, bool) {
	return func(a action) (action, bool) { return a, true }
}

// onCommit edits the actions of the transactions of commits alone.
func onCommit(edit func(action) (action, bool)) func([]action) func(action) (action, bool) {
	return func(actions []action) func(action) (action, bool) {
		if isCommit(actions) {
			return edit
		}
		return unedited(actions)
	}
}

// editing is an api that changes or drops actions before it sends them.
func editing(choose func([]action) func(action) (action, bool)) func(api) api {
	return func(a api) api { return edited{a, choose} }
}

type edited struct {
	api
	choose func([]action) func(action) (action, bool)
}

func (e edited) transact(ctx context.Context, token string, actions []action) error {
	edit := e.choose(actions)
	var sent []action
	var at []int
	for i, a := range actions {
		if a, keep := edit(a); keep {
			sent, at = append(sent, a), append(at, i)
		}
	}
	err := e.api.transact(ctx, token, sent)
	if r, refused := errors.AsType[*refusal](err); refused {
		causes := make([]cause, len(actions))
		for i, c := range r.causes {
			causes[at[i]] = c
		}
		return &refusal{causes: causes, detail: r.detail}
	}
	return err
}

// readsMeta decides about a lost answer by meta alone: the commit was written if
// meta is the one it wrote.
type readsMeta struct{ api }

func (m readsMeta) snapshot(ctx context.Context, table record.Table, keys []record.Key) ([]record.Record, error) {
	if table == record.Audit {
		return []record.Record{{Key: keys[0]}}, nil
	}
	return m.api.snapshot(ctx, table, keys)
}

func (m readsMeta) transact(ctx context.Context, token string, actions []action) error {
	err := m.api.transact(ctx, token, actions)
	if !errors.Is(err, errUnknown) || !isCommit(actions) {
		return err
	}
	i := slices.IndexFunc(actions, action.isOnMeta)
	meta, _, getErr := m.api.get(ctx, record.Dialogues, actions[i].record.Key)
	if getErr != nil {
		return err
	}
	if meta.Attrs[macName].Equal(actions[i].record.Attrs[macName]) {
		return nil
	}
	causes := make([]cause, len(actions))
	causes[i] = unmet
	return &refusal{causes: causes, detail: errors.New("meta is another")}
}

// sureOfClear takes every answer to a clear for a success.
type sureOfClear struct{ api }

func (c sureOfClear) transact(ctx context.Context, token string, actions []action) error {
	err := c.api.transact(ctx, token, actions)
	a := actions[0]
	_, was := a.when.equal[attrPending]
	_, is := a.record.Attrs[attrPending]
	if errors.Is(err, errUnknown) && len(actions) == 1 && a.isOnMeta() && was && !is {
		return nil
	}
	return err
}

// believesRefusals reports the event of a commit as absent if the process sent
// the commit once. The protocol did so until a request was found that was sent
// once and delivered twice.
type believesRefusals struct {
	api
	sends *sends
}

// sends counts how often a process sent each commit, by the key of its event.
type sends struct {
	mu      sync.Mutex
	byEvent map[record.Key]int
}

func (b believesRefusals) transact(ctx context.Context, token string, actions []action) error {
	for _, a := range actions {
		if a.table == record.Audit {
			b.sends.mu.Lock()
			b.sends.byEvent[a.record.Key]++
			b.sends.mu.Unlock()
		}
	}
	return b.api.transact(ctx, token, actions)
}

func (b believesRefusals) snapshot(ctx context.Context, table record.Table, keys []record.Key) ([]record.Record, error) {
	b.sends.mu.Lock()
	once := table == record.Audit && len(keys) == 1 && b.sends.byEvent[keys[0]] == 1
	b.sends.mu.Unlock()
	if once {
		return []record.Record{{Key: keys[0]}}, nil
	}
	return b.api.snapshot(ctx, table, keys)
}

// readsEventPlainly reads an event by GetItem, which shows the older state while
// a transaction is being applied.
type readsEventPlainly struct{ api }

func (p readsEventPlainly) snapshot(ctx context.Context, table record.Table, keys []record.Key) ([]record.Record, error) {
	if table == record.Audit {
		return readsPlainly(p).snapshot(ctx, table, keys)
	}
	return p.api.snapshot(ctx, table, keys)
}

// TestSimulationCatchesBugs: each seeded bug is caught within the ordinary
// number of histories, by a line of the oracle.
func TestSimulationCatchesBugs(t *testing.T) {
	if *simSeed != 0 {
		t.Skip("one seed is selected")
	}
	for _, b := range bugs {
		t.Run(strings.ReplaceAll(b.name, " ", "-"), func(t *testing.T) {
			most := cmp.Or(*simRuns, 2000)
			for seed := range uint64(most) {
				h := replay(t, seed+1, short, b)
				if i := slices.IndexFunc(h.broken, func(line string) bool { return strings.HasPrefix(line, b.caughtBy+":") }); i >= 0 {
					t.Logf("caught in history %d: %s", seed+1, h.broken[i])
					return
				}
			}
			t.Errorf("not caught by %q in %d histories", b.caughtBy, most)
		})
	}
}
