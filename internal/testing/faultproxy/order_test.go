package faultproxy_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	. "github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
)

// TestLate checks that a lost put arrives after the put that replaced it.
func TestLate(t *testing.T) {
	w := newFixture(t)
	w.play(Rule{Nth: 1, Fault: Late(2)})
	if err := w.put(t.Context(), w.client, "a", "first"); err == nil {
		t.Fatal("a late request has no answer")
	}
	if err := w.put(t.Context(), w.client, "a", "second"); err != nil {
		t.Fatal(err)
	}
	if got := w.stored(); got != "a=second " {
		t.Errorf("before it is due: %s", got)
	}
	if got, err := w.query(w.client); err != nil || fmt.Sprint(got) != "[a=first]" {
		t.Errorf("just before the second later request it arrives: %v, %v", got, err)
	}
	if n := w.proxy.Release(); n != 0 {
		t.Errorf("%d still held", n)
	}
	if got := w.proxy.Log()[0].String(); got != "1 PutItem#1 delivered 1 status 200: late" {
		t.Errorf("log %s", got)
	}
}

// TestRelease checks that requests are held until Release, across scripts, and
// are delivered in order.
func TestRelease(t *testing.T) {
	w := newFixture(t)
	w.play(Rule{Nth: 1, Fault: Late(0)}, Rule{Nth: 2, Fault: Late(50)})
	w.put(t.Context(), w.client, "a", "first")
	w.put(t.Context(), w.client, "a", "second")
	w.proxy.Play(nil)
	if err := w.put(t.Context(), w.client, "a", "third"); err != nil {
		t.Fatal(err)
	}
	if got := w.stored(); got != "a=third " {
		t.Errorf("before: %s", got)
	}
	if n := w.proxy.Release(); n != 2 {
		t.Errorf("%d released", n)
	}
	if got := w.stored(); got != "a=second " {
		t.Errorf("after: %s", got)
	}
}

// TestDoubleLate delivers a transaction twice. With the same token the second
// delivery is not an error and has no second effect.
func TestDoubleLate(t *testing.T) {
	w := newFixture(t)
	w.play(Rule{Operation: "TransactWriteItems", Nth: 1, Fault: Double(1)}, Rule{Operation: "PutItem", Nth: 1, Fault: Double(2)})
	if err := w.transact(t.Context(), w.client, "t", "a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := w.put(t.Context(), w.client, "c", "first"); err != nil {
		t.Fatal(err)
	}
	if err := w.put(t.Context(), w.client, "c", "second"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.query(w.client); err != nil {
		t.Fatal(err)
	}
	if got := w.stored(); got != "a=new b=new c=first " {
		t.Errorf("stored %s", got)
	}
	if got := w.proxy.Log()[0].String(); got != "1 TransactWriteItems#1 delivered 2 status 200: doubled" {
		t.Errorf("log %s", got)
	}
}

// TestAnswerSecond checks that the client gets the refusal of the second copy
// of a transaction whose first copy was applied.
func TestAnswerSecond(t *testing.T) {
	w := newFixture(t)
	w.play(Rule{Nth: 1, Fault: AnswerSecond()})
	if err := w.transact(t.Context(), w.client, "t", "a", "b"); code(err) != "TransactionCanceledException" {
		t.Errorf("the client sees %v", err)
	}
	if got := w.stored(); got != "a=new b=new " {
		t.Errorf("stored %s", got)
	}
	if got := w.proxy.Log()[0].String(); got != "1 TransactWriteItems#1 delivered 2 status 400: second answer" {
		t.Errorf("log %s", got)
	}
}

// TestReads checks stale, half-applied and rewritten answers, which pass the
// SDK's checksum.
func TestReads(t *testing.T) {
	w := newFixture(t)
	for _, sk := range []string{"a", "b", "c"} {
		if err := w.put(t.Context(), w.straight, sk, "old"); err != nil {
			t.Fatal(err)
		}
	}
	w.play(
		Rule{Operation: "Query", Nth: 1, Fault: Record("before")},
		Rule{Operation: "Query", Nth: 2, Fault: Replay("before")},
		Rule{Operation: "Query", Nth: 3, Fault: Mix("before", func(pk, sk string) bool { return pk == "p" && sk >= "b" })},
		Rule{Operation: "Query", Nth: 4, Fault: Rewrite(func(body []byte) []byte {
			return []byte(strings.ReplaceAll(string(body), `"new"`, `"forged"`))
		})},
	)
	want := func(what, items string) {
		t.Helper()
		if got, err := w.query(w.client); err != nil || fmt.Sprint(got) != items {
			t.Errorf("%s: %v, %v; want %s", what, got, err, items)
		}
	}
	want("recorded", "[a=old b=old c=old]")
	for _, sk := range []string{"a", "b", "aa", "d"} {
		if err := w.put(t.Context(), w.straight, sk, "new"); err != nil {
			t.Fatal(err)
		}
	}
	want("replayed", "[a=old b=old c=old]")
	want("half applied", "[a=new aa=new b=old c=old]")
	want("rewritten", "[a=forged aa=forged b=forged c=old d=forged]")
	want("as it is", "[a=new aa=new b=new c=old d=new]")
}

// TestScript checks which requests a rule selects.
func TestScript(t *testing.T) {
	for _, c := range []struct {
		rule Rule
		want string // for put, put, query, put, query: which are selected
	}{
		{Rule{}, "xxxxx"},
		{Rule{Times: 2}, "xx..."},
		{Rule{Nth: 3}, "..x.."},
		{Rule{Nth: 2, Times: 3}, ".xxx."},
		{Rule{Operation: "Query"}, "..x.x"},
		{Rule{Operation: "Query", Nth: 2}, "....x"},
		{Rule{Operation: "PutItem", Nth: 2, Times: 9}, ".x.x."},
		{Rule{Operation: "PutItem", Times: 1}, "x...."},
		{Rule{Operation: "GetItem"}, "....."},
	} {
		c.rule.Fault = Lose()
		var got strings.Builder
		nth := map[string]int{}
		for n, operation := range []string{"PutItem", "PutItem", "Query", "PutItem", "Query"} {
			nth[operation]++
			switch (Script{c.rule}).Decide(Request{N: n + 1, Operation: operation, Nth: nth[operation]}).Kind {
			case LostRequest:
				got.WriteByte('x')
			default:
				got.WriteByte('.')
			}
		}
		if got.String() != c.want {
			t.Errorf("%+v selects %s, want %s", c.rule, &got, c.want)
		}
	}
}

// TestMany checks that the proxy counts each request of parallel clients once,
// and that Settle waits for all.
func TestMany(t *testing.T) {
	w := newFixture(t)
	w.play(Rule{Nth: 5, Times: 5, Fault: LoseAnswer()}, Rule{Nth: 15, Times: 2, Fault: Late(3)})
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 10 {
				w.put(t.Context(), w.client, fmt.Sprint(i, "-", j), "x")
			}
		})
	}
	all.Wait()
	w.proxy.Settle()
	w.proxy.Release()
	if got := w.proxy.Count("PutItem"); got != 40 {
		t.Errorf("%d requests", got)
	}
	if got := strings.Count(w.stored(), "=x "); got != 40 {
		t.Errorf("%d items", got)
	}
}

// TestServerGone checks that a proxy without a server closes the connection.
func TestServerGone(t *testing.T) {
	proxy := New("http://127.0.0.1:1")
	defer proxy.Close()
	w := &fixture{t: t, table: "none"}
	if err := w.put(t.Context(), client(proxy.URL, 1), "a", "x"); err == nil || code(err) != "" {
		t.Errorf("the client sees %v", err)
	}
}

// TestCloseLetsGo checks that Close does not wait for a client that waits for an
// answer.
func TestCloseLetsGo(t *testing.T) {
	w := newFixture(t)
	proxy := New(w.proxy.URL)
	held := make(chan struct{})
	proxy.Play(func(Request) Fault { close(held); return Hold() })
	ended := make(chan error)
	go func() { ended <- w.put(t.Context(), client(proxy.URL, 1), "a", "x") }()
	<-held
	proxy.Close()
	if err := <-ended; err == nil {
		t.Error("an answer after Close")
	}
	if got := w.stored(); got != "" {
		t.Errorf("stored %s", got)
	}
}
