package dynamo

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/record"
)

// paged is a server whose one answer to a Query or Scan comes in pages, each of
// some sort keys and the key to continue after. It fails the test if the caller
// requests more pages than there are, or from another place than it named.
type paged struct {
	*fake
	pages []pageOf
	asked int
}

type pageOf struct {
	sks  []string
	last map[string]any // LastEvaluatedKey, nil for none
}

// tooOften is more requests than any case here takes: who asks so often loops.
const tooOften = 10

func newPaged(t *testing.T, again bool, pages ...pageOf) *paged {
	p := &paged{fake: newFake(t), pages: pages}
	p.handler = func(operation string, in map[string]any) (int, any) {
		if operation == "DescribeTable" { // of an index that is reported as empty
			return 400, map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#ValidationException", "message": "not here"}
		}
		at := p.asked
		p.asked++
		if again {
			at %= len(p.pages)
		}
		if at >= len(p.pages) || p.asked > tooOften {
			t.Errorf("%s for page %d", operation, p.asked)
			return 400, map[string]any{"__type": "com.amazonaws.dynamodb.v20120810#ValidationException", "message": "no such page"}
		}
		if at > 0 && fmt.Sprint(in["ExclusiveStartKey"]) != fmt.Sprint(p.pages[at-1].last) {
			t.Errorf("page %d is requested from %v, want %v", p.asked, in["ExclusiveStartKey"], p.pages[at-1].last)
		}
		out := map[string]any{"Items": []any{}}
		for _, sk := range p.pages[at].sks {
			out["Items"] = append(out["Items"].([]any), keyOf(sk))
		}
		if p.pages[at].last != nil {
			out["LastEvaluatedKey"] = p.pages[at].last
		}
		return 200, out
	}
	return p
}

func keyOf(sk string) map[string]any {
	return map[string]any{"PK": map[string]any{"S": "dialogue#d"}, "SK": map[string]any{"S": sk}}
}

func withIndex(sk string) map[string]any {
	key := keyOf(sk)
	key["GSI1PK"], key["GSI1SK"] = map[string]any{"S": "status#open"}, map[string]any{"S": "2026"}
	return key
}

// readings are the ways to read in pages: what the key of a page holds, and what
// the error of one that loops must name.
var readings = []struct {
	name  string
	key   func(sk string) map[string]any
	names string
	read  func(t *testing.T, s *Store) ([]record.Record, error)
}{
	{"partition", keyOf, "dialogue#d", func(t *testing.T, s *Store) ([]record.Record, error) {
		return s.Query(t.Context(), record.Query{Table: record.Audit, Partition: "dialogue#d"})
	}},
	{"part of a partition", keyOf, "dialogue#d", func(t *testing.T, s *Store) ([]record.Record, error) {
		return s.Query(t.Context(), record.Query{Table: record.Audit, Partition: "dialogue#d", Limit: 5})
	}},
	{"index", withIndex, "index GSI1 of table blue_dialogues", func(t *testing.T, s *Store) ([]record.Record, error) {
		return s.Index(t.Context(), record.ByStatus, "status#open")
	}},
}

func (p *paged) store(t *testing.T) *Store {
	return newStore(p.client(t), "w", func() string { return "" })
}

// TestPagesThatLoop: a server that names the same place again and again is not
// asked for ever, on whatever page it begins to, nor one that says that there is
// more and not where.
func TestPagesThatLoop(t *testing.T) {
	for _, r := range readings {
		k := r.key
		halfKey := k("b")
		delete(halfKey, "SK")
		foreign := k("b")
		foreign["PK"] = map[string]any{"S": "dialogue#e"}
		cases := map[string][]pageOf{
			"the first page for ever":           {{[]string{"a"}, k("a")}},
			"an empty page for ever":            {{nil, k("a")}},
			"two pages in turn":                 {{[]string{"a"}, k("a")}, {[]string{"b"}, k("b")}},
			"three pages in turn, empty":        {{nil, k("c")}, {nil, k("a")}, {nil, k("b")}},
			"a last page that begins once more": {{[]string{"a"}, k("a")}, {[]string{"b"}, k("b")}, {[]string{"b"}, k("b")}},
		}
		if r.name != "index" {
			cases["a place without a sort key"] = []pageOf{{[]string{"a"}, halfKey}}
			cases["a place in another partition"] = []pageOf{{[]string{"a"}, foreign}}
		}
		for name, pages := range cases {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				p := newPaged(t, true, pages...)
				got, err := r.read(t, p.store(t))
				if !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), r.names+" do not advance") || len(got) > 0 {
					t.Errorf("%d records, %v", len(got), err)
				}
				if p.asked > 2*len(pages) {
					t.Errorf("%d requests", p.asked)
				}
			})
		}
	}
}

// TestPagesEmptyOrSmall: an empty page is not the end, nor is one with fewer
// records than requested.
func TestPagesEmptyOrSmall(t *testing.T) {
	for _, r := range readings {
		k := r.key
		for name, pages := range map[string][]pageOf{
			"empty first":          {{nil, k("a")}, {[]string{"b", "c"}, nil}},
			"empty between":        {{[]string{"b"}, k("b")}, {nil, k("ba")}, {nil, k("bb")}, {[]string{"c"}, nil}},
			"empty last":           {{[]string{"b", "c"}, k("c")}, {nil, nil}},
			"one on each":          {{[]string{"b"}, k("b")}, {[]string{"c"}, k("c")}, {nil, nil}},
			"all at once":          {{[]string{"b", "c"}, nil}},
			"the same sort prefix": {{[]string{"b"}, k("b")}, {nil, k("b#")}, {[]string{"c"}, nil}},
		} {
			t.Run(r.name+"/"+name, func(t *testing.T) {
				p := newPaged(t, false, pages...)
				got, err := r.read(t, p.store(t))
				var sks []string
				for _, found := range got {
					sks = append(sks, found.Key.Item)
				}
				if err != nil || !slices.Equal(sks, []string{"b", "c"}) || p.asked != len(pages) {
					t.Errorf("%q in %d pages, %v; want b, c in %d", sks, p.asked, err, len(pages))
				}
			})
		}
	}
}

// TestScanThatLoops: so too where a table is looked through before the first key
// is made: it is not taken for an empty one.
func TestScanThatLoops(t *testing.T) {
	p := newPaged(t, true, pageOf{nil, keyOf("a")})
	if empty, err := p.store(t).IsEmpty(t.Context()); empty || !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), "table blue_dialogues do not advance") {
		t.Errorf("empty %v, %v", empty, err)
	}
	p = newPaged(t, false, pageOf{nil, keyOf("a")}, pageOf{[]string{"b"}, nil})
	if empty, err := p.store(t).IsEmpty(t.Context()); empty || err != nil {
		t.Errorf("an empty first page: empty %v, %v", empty, err)
	}
}

// TestBackupsThatLoop: nor for an end of the list of backups.
func TestBackupsThatLoop(t *testing.T) {
	f := newFake(t)
	f.handler = func(operation string, _ map[string]any) (int, any) {
		if operation == "ListBackups" {
			return 200, map[string]any{"BackupSummaries": []any{}, "LastEvaluatedBackupArn": "arn:1"}
		}
		return 200, map[string]any{"ContinuousBackupsDescription": map[string]any{
			"ContinuousBackupsStatus": "ENABLED", "PointInTimeRecoveryDescription": map[string]any{"PointInTimeRecoveryStatus": "DISABLED"},
		}}
	}
	if _, err := newStore(f.client(t), "w", func() string { return "" }).Copies(t.Context()); !errors.Is(err, record.ErrUnavailable) || !strings.Contains(err.Error(), "backups of table") {
		t.Errorf("%v", err)
	}
}
