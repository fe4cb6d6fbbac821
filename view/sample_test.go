package view

import (
	"strings"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// noon is when sample dialogues begin; at(n) is n seconds later.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

func id(t testing.TB, text string) blue.EntityID {
	t.Helper()
	id, err := blue.ParseEntityID(text)
	if err != nil {
		t.Fatalf("a bad id in the test: %v", err)
	}
	return id
}

func idList(t testing.TB, text string) []blue.EntityID {
	t.Helper()
	var list []blue.EntityID
	for _, word := range strings.Fields(text) {
		list = append(list, id(t, word))
	}
	return list
}

// put adds a numbered entity: created at second n of its round's hundred,
// with references written as "support P0001, depend E0001".
func put(t testing.TB, s *blue.Snapshot, name, label, status, refs string, second int) {
	t.Helper()
	c := blue.Contribution{ID: id(t, name), Label: label, CreatedAt: at(second)}
	for _, part := range strings.Split(refs, ",") {
		if kind, target, ok := strings.Cut(strings.TrimSpace(part), " "); ok {
			c.References = append(c.References, blue.Reference{Type: blue.RefType(kind), Target: id(t, target)})
		}
	}
	if c.Status = blue.Status(status); status == "" {
		c.Status = c.ID.Kind.InitialStatus()
	}
	e := c.ID.Kind.New()
	*e.Common() = c
	s.Add(e)
	if c.ID.Kind == blue.KindTension {
		happen(t, s, name, "created", second)
	}
}

// happen adds an event.
func happen(t testing.TB, s *blue.Snapshot, name, what string, second int) {
	t.Helper()
	when := at(second)
	s.Events = append(s.Events, &blue.Event{
		Of: id(t, name), Type: what, CreatedAt: when, Stamp: when.Format("2006-01-02T15:04:05.000000000Z"),
	})
}

// sample is a dialogue with one of everything: a verdict in the middle, a
// tension resolved and reopened, dangling references, two cycles, and labels
// that would harm a terminal or a drawing.
func sample(t testing.TB) *blue.Snapshot {
	t.Helper()
	s := &blue.Snapshot{}
	put(t, s, "P0001", "Größe \"zählt\" & <b>", "", "support E0001", 1)
	put(t, s, "P0002", "red \x1b[31malert\x1b[0m\nsecond line \\ end\\", "", "", 1)
	put(t, s, "P0003", "answers one, reopens the other", "", "address T0001, reopen T0002", 50)
	put(t, s, "P0101", "cites nothing known", "refined", "support E0909, oppose P0001, refine P0101", 101)
	put(t, s, "T0001", "growth vs income", "resolved", "question P0001", 1)
	put(t, s, "T0002", "speed vs care", "reopened", "depend C0002, oppose P0002", 1)
	put(t, s, "T0101", "never settled", "", "", 101)
	put(t, s, "R0001", "a collar", "adopted", "address T0001, address T0002, depend C0001", 1)
	put(t, s, "R0101", "left aside", "", "resolve T0101, question T0909", 101)
	put(t, s, "E0001", "a table", "", "", 1)
	put(t, s, "E0002", "behind the table", "", "support E0001", 1)
	put(t, s, "E0003", "in the instant of V01", "", "support T0002", 50)
	put(t, s, "E0101", "too late for V01", "", "support T0001", 101)
	put(t, s, "C0001", "so it is", "", "depend E0001, resolve T0001", 1)
	put(t, s, "C0002", "round in a ring", "", "depend C0003", 1)
	put(t, s, "C0003", "ring of two", "", "refine C0002", 1)
	put(t, s, "C0004", "against it", "", "oppose T0001", 1)
	happen(t, s, "T0001", "addressed", 10)
	happen(t, s, "T0001", "resolved", 20)
	happen(t, s, "T0001", "commented", 21)
	happen(t, s, "T0002", "resolved", 30)
	happen(t, s, "T0002", "reopened", 110)
	s.Recommendations()[0].AdoptedInVerdict = "V01"
	s.Verdicts = []*blue.Verdict{
		{ID: "V01", Type: "interim", Round: 0, CreatedAt: at(50)},
		{ID: "final", Type: blue.VerdictFinal, Round: 1, CreatedAt: at(150)},
	}
	return s
}
