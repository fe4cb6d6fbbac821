package dynamo

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/gofrs/uuid/v5"

	"github.com/superviber/blue-encrypted-store/dynamo/conn"
	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal/localtest"
	"github.com/superviber/blue-encrypted-store/record"
)

var tableSets atomic.Int64

// localConfig names tables of DynamoDB Local for this test only.
func localConfig(t *testing.T) Config {
	t.Helper()
	random := uuid.Must(uuid.NewV4()).String()[:8] // the server may be older than this process
	return Config{Endpoint: localtest.Endpoint(t), EndpointFrom: "a test", Prefix: fmt.Sprintf("t%d-%s-", tableSets.Add(1), random)}
}

// localClient is a client of fresh tables in DynamoDB Local.
func localClient(t *testing.T) *client {
	t.Helper()
	admin := mustTables(t, localConfig(t))
	found, err := admin.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.Check(found); err != nil {
		t.Fatal(err)
	}
	return &client{admin.Conn}
}

func creating(sk string, attrs record.Attrs) action {
	return action{table: record.Dialogues, record: record.Record{Key: record.Key{Partition: "dialogue#d", Item: sk}, Attrs: attrs}, when: condition{absent: true}}
}

func replacing(sk string, attrs record.Attrs, when condition) action {
	a := creating(sk, attrs)
	a.when = when
	return a
}

func checking(sk string, when condition) action {
	a := replacing(sk, nil, when)
	a.check = true
	return a
}

func mustTransact(t *testing.T, c *client, actions ...action) {
	t.Helper()
	if err := c.transact(t.Context(), "", actions); err != nil {
		t.Fatal(err)
	}
}

func number(n int64) record.Attrs { return record.Attrs{"n": record.N(n)} }

// TestConditions: each kind of condition on each kind of action, held and not,
// by the real service's judgement.
func TestConditions(t *testing.T) {
	c := localClient(t)
	mac := record.B([]byte("mac"))
	stored := record.Attrs{"n": record.N(1), "s": record.S("x"), "item_mac": mac, "_lease": record.S("w"), "GSI1PK": record.N(5)}
	mustTransact(t, c, creating("old", stored), creating("meta", number(0)))
	for _, x := range []struct {
		name  string
		sk    string
		when  condition
		holds bool
	}{
		{"absent, is", "new", condition{absent: true}, true},
		{"absent, is not", "old", condition{absent: true}, false},
		{"any, is", "old", condition{}, true},
		{"any, is not", "new", condition{}, false},
		{"equal", "old", condition{equal: record.Attrs{"n": record.N(1), "s": record.S("x")}}, true},
		{"equal by MAC, another attribute differs", "old", condition{equal: record.Attrs{"item_mac": mac, "n": record.N(7)}}, true},
		{"another MAC", "old", condition{equal: record.Attrs{"item_mac": record.B([]byte("MAC"))}}, false},
		{"own attribute differs", "old", condition{equal: record.Attrs{"item_mac": mac, "_lease": record.S("v")}}, false},
		{"another type", "old", condition{equal: record.Attrs{"n": record.S("1")}}, false},
		{"no such attribute", "old", condition{equal: record.Attrs{"x": record.S("1")}}, false},
		{"equal, no item", "new", condition{equal: record.Attrs{"n": record.N(1)}}, false},
		{"an index attribute that is no text", "old", condition{equal: record.Attrs{"GSI1PK": record.N(5)}}, true},
		{"missing, is", "old", condition{equal: record.Attrs{"n": record.N(1)}, missing: []string{"_pending"}}, true},
		{"missing, is not", "old", condition{equal: record.Attrs{"n": record.N(1)}, missing: []string{"_lease"}}, false},
		{"missing, no item", "new", condition{missing: []string{"_pending"}}, false},
		{"no type", "old", condition{equal: record.Attrs{"n": {}}}, false},
	} {
		for kind, a := range map[string]action{"check": checking(x.sk, x.when), "put": replacing(x.sk, stored, x.when), "delete": replacing(x.sk, nil, x.when)} {
			t.Run(x.name+"/"+kind, func(t *testing.T) {
				err := c.transact(t.Context(), "", []action{a, checking("meta", condition{})})
				if x.holds {
					if err != nil {
						t.Fatal(err)
					}
					restore(t, c, stored)
					return
				}
				r, ok := errors.AsType[*refusal](err)
				if !ok || !slices.Equal(r.causes, []cause{unmet, met}) {
					t.Fatalf("answer: %v, want unmet", err)
				}
			})
		}
	}
}

// restore puts "old" as it was and takes "new" away.
func restore(t *testing.T, c *client, stored record.Attrs) {
	t.Helper()
	for _, a := range []action{creating("old", stored), replacing("new", nil, condition{})} {
		err := c.transact(t.Context(), "", []action{a})
		if _, refused := errors.AsType[*refusal](err); err != nil && !refused { // refused: it is as it should be
			t.Fatal(err)
		}
	}
}

// TestToken: the same transaction under the same token takes effect once, and
// is a success each time; other bytes under it are refused.
func TestToken(t *testing.T) {
	c := localClient(t)
	token := uuid.Must(uuid.NewV7()).String()
	actions := []action{creating("a", number(1)), creating("b", number(2))}
	for range 3 {
		if err := c.transact(t.Context(), token, actions); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.transact(t.Context(), "", actions); err == nil {
		t.Error("the conditions do not bite")
	}
	err := c.transact(t.Context(), token, []action{creating("c", number(1))})
	if r, ok := errors.AsType[*refusal](err); !ok || r.isTransient() {
		t.Errorf("other actions with the token: %v", err)
	}
}

func TestPages(t *testing.T) {
	c := localClient(t)
	var all []string
	for i := range 12 {
		sk := fmt.Sprintf("claim#%02d", i)
		all = append(all, sk)
		mustTransact(t, c, creating(sk, record.Attrs{"b": record.B(make([]byte, 300_000))})) // 1 MB is a page
	}
	for _, x := range []struct {
		bounds span
		want   []string
	}{
		{span{}, all},
		{span{first: "claim#03"}, all[3:]},
		{span{last: "claim#03"}, all[:3]},
		{span{"claim#02", "claim#09"}, all[2:9]},
		{span{"claim#02", "claim#09\x00"}, all[2:10]},
		{span{"claim#1", "claim#2"}, all[10:]},
		{span{"d", "e"}, nil},
	} {
		var got []string
		after, pages := "", 0
		for {
			records, next, err := c.page(t.Context(), record.Dialogues, "dialogue#d", x.bounds, after, 0)
			if err != nil {
				t.Fatal(err)
			}
			pages++
			for _, r := range records {
				got = append(got, r.Key.Item)
			}
			if next == "" {
				break
			}
			after = next
		}
		if !slices.Equal(got, x.want) {
			t.Errorf("%v: %q, want %q", x.bounds, got, x.want)
		}
		if len(x.want) == 12 && pages < 3 {
			t.Errorf("3.6 MB came in %d pages", pages)
		}
	}
	for _, pk := range []string{"", "dialogue#x", "\xff", strings.Repeat("p", record.MaxPartition+1)} {
		if records, next, err := c.page(t.Context(), record.Dialogues, record.Partition(pk), span{}, "", 0); len(records) != 0 || next != "" || err != nil {
			t.Errorf("partition %.20q: %d records, %v", pk, len(records), err)
		}
	}
}

func TestSnapshot(t *testing.T) {
	c := localClient(t)
	mustTransact(t, c, creating("a", number(1)), creating("b", number(2)))
	at := func(sk string) record.Key { return record.Key{Partition: "dialogue#d", Item: sk} }
	records, err := c.snapshot(t.Context(), record.Dialogues, []record.Key{at("b"), at("x"), at(""), at("a"), at("\xff")})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int64{2, 0, 0, 1, 0} {
		if records[i].Attrs["n"].Int() != want || want == 0 && len(records[i].Attrs) > 0 {
			t.Errorf("item %d is %v", i, records[i])
		}
	}
	if records[1].Key != at("x") {
		t.Errorf("a missing item has the key %v", records[1].Key)
	}
	many := make([]record.Key, maxSnapshot+1)
	for i := range many {
		many[i] = at(fmt.Sprint(i))
	}
	if _, err := c.snapshot(t.Context(), record.Dialogues, many); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("101 keys: %v", err)
	}
	if records, err := c.snapshot(t.Context(), record.Dialogues, many[:maxSnapshot]); err != nil || len(records) != maxSnapshot {
		t.Errorf("100 keys: %d records, %v", len(records), err)
	}
}

func TestGet(t *testing.T) {
	c := localClient(t)
	mustTransact(t, c, creating("a", record.Attrs{"n": record.N(1), "_own": record.S("x"), "GSI3SK": record.S("")}), creating("\ufffd", number(1)))
	r, exists, err := c.get(t.Context(), record.Dialogues, record.Key{Partition: "dialogue#d", Item: "a"})
	if err != nil || !exists || len(r.Attrs) != 3 || r.Attrs["_own"].Str() != "x" || r.Attrs["GSI3SK"].Type() != record.String {
		t.Errorf("read %v, %v, %v", r, exists, err)
	}
	for _, k := range []record.Key{{}, {Partition: "dialogue#d"}, {Item: "a"}, {Partition: "dialogue#d", Item: "A"}, {Partition: "dialogue#d", Item: "\xff"}, {Partition: "dialogue#d", Item: strings.Repeat("s", record.MaxItem+1)}} {
		if _, exists, err := c.get(t.Context(), record.Dialogues, k); exists || err != nil {
			t.Errorf("%.40v: %v, %v", k, exists, err)
		}
	}
	if _, _, err := c.get(t.Context(), "blue_other", someKey); !errors.Is(err, record.ErrInvalid) {
		t.Errorf("another table: %v", err)
	}
}

// TestDamagedItem: another tool wrote a set into an item.
func TestDamagedItem(t *testing.T) {
	c := localClient(t)
	mustTransact(t, c, creating("a", number(1)), creating("b", number(2)))
	damaged := toItem(creating("a", number(1)).record)
	damaged["set"] = &types.AttributeValueMemberSS{Value: []string{"x"}}
	name, _ := c.Table(record.Dialogues)
	if _, err := c.API.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: name, Item: damaged}); err != nil {
		t.Fatal(err)
	}
	records, _, err := c.page(t.Context(), record.Dialogues, "dialogue#d", span{}, "", 0)
	if err != nil || len(records) != 2 || records[0].Key.Item != "a" || records[0].Attrs != nil || !records[1].Attrs["n"].Equal(record.N(2)) {
		t.Errorf("page: %v, %v", records, err)
	}
}

// TestIndexRows: many pages of an index, in the contract's order, with what is
// projected and nothing sealed.
func TestIndexRows(t *testing.T) {
	c := localClient(t)
	long := strings.Repeat("x", 900)
	var actions []action
	for i := range 1500 {
		a := creating(fmt.Sprintf("tension#%04d", i), record.Attrs{
			"GSI2PK": record.S("tension_status#open"), "GSI2SK": record.S(fmt.Sprintf("%s%d", long, i%7)), "status": record.S("open"),
			"entity_type": record.S("tension"), "content_encrypted": record.B([]byte("sealed")), "item_mac": record.B(bytes.Repeat([]byte{1}, 32)),
		})
		a.record.Key.Partition = record.DialoguePartition(strconv.Itoa(i % 3))
		if actions = append(actions, a); len(actions) == 100 {
			mustTransact(t, c, actions...)
			actions = nil
		}
	}
	records, err := c.index(t.Context(), record.ByTensionStatus, "tension_status#open")
	if err != nil || len(records) != 1500 {
		t.Fatalf("%d rows, %v", len(records), err)
	}
	place := func(r record.Record) string { return r.Attrs["GSI2SK"].Str() + string(r.Key.Partition) + r.Key.Item }
	if !slices.IsSortedFunc(records, func(a, b record.Record) int { return strings.Compare(place(a), place(b)) }) {
		t.Error("the rows are not in order")
	}
	if got := records[0].Names(); !slices.Equal(got, []string{"GSI2PK", "GSI2SK", "entity_type", "status"}) {
		t.Errorf("a row holds %q", got)
	}
}

// TestLocalMeanings: the answers of the real server and their translation.
func TestLocalMeanings(t *testing.T) {
	c := localConfig(t)
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), record.Dialogues, someKey); !errors.Is(err, record.ErrUnavailable) || !strings.Contains(hintOf(err), "blue-store table create") {
		t.Errorf("no tables: %v", err)
	}
	err = (&client{mustConnect(t, c)}).transact(t.Context(), "", twoActions())
	if !errors.Is(err, record.ErrUnavailable) || !strings.Contains(hintOf(err), "blue-store table create") {
		t.Errorf("no tables, transaction: %v", err)
	}
	c.Credentials = credentials.NewStaticCredentialsProvider("not-a-key", "no-secret-of-anyone", "")
	if _, _, err := (&client{mustConnect(t, c)}).get(t.Context(), record.Dialogues, someKey); !strings.Contains(fmt.Sprint(err), "letters and digits") {
		t.Errorf("a key id with hyphens: %v", err)
	}
	large := creating("a", record.Attrs{"b": record.B(make([]byte, record.MaxRecord))})
	err = localClient(t).transact(t.Context(), "", []action{large})
	if !errors.Is(err, record.ErrTooLarge) || errors.Is(err, errUnknown) {
		t.Errorf("an item over the limit: %v", err)
	}
}

func mustConnect(t *testing.T, c Config) *conn.Conn {
	t.Helper()
	at, err := conn.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return at
}
