package main

import (
	"cmp"
	"fmt"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/importer"
)

// text returns the answer as text.
func (r *importAnswer) text() string {
	var b strings.Builder
	title := r.Title
	if r.DialogueID != "" {
		title += "  " + r.DialogueID
	}
	fmt.Fprintf(&b, "%s: %s\n", r.Status, title)
	counts := r.Stored
	if counts == nil {
		counts = r.Found // a dry run stores nothing
	}
	fmt.Fprintf(&b, "  %s\n", countLine(counts))
	if len(r.Refused) > 0 {
		fmt.Fprintf(&b, "\nrefused: %d of %d operations\n", len(r.Refused), r.Operations)
		for _, f := range r.Refused {
			fmt.Fprintf(&b, "  operation %d, %s: %s\n", f.Op, f.Kind, f.Reason)
		}
	}
	if len(r.Notes) > 0 {
		fmt.Fprintf(&b, "\nnotes: %d\n", len(r.Notes))
		for _, n := range r.Notes {
			fmt.Fprintf(&b, "  %-13s %s\n", n.Kind, noteText(n))
		}
	}
	return b.String()
}

func noteText(n importer.Note) string {
	switch {
	case n.File == "":
		return n.Message
	case n.Line == 0:
		return n.File + ": " + n.Message
	}
	return fmt.Sprintf("%s:%d: %s", n.File, n.Line, n.Message)
}

// countLine returns "4 rounds · 12 experts · …". A count of 0 is left out.
func countLine(counts map[string]int) string {
	var parts []string
	add := func(one, name string) {
		if n := counts[name]; n == 1 {
			parts = append(parts, "1 "+one)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	add("round", "rounds")
	add("expert", "experts")
	for _, kind := range blue.NumberedKinds() {
		add(string(kind), kind.Plural())
	}
	add("reference", "references")
	add("move", "moves")
	add("verdict", "verdicts")
	return cmp.Or(strings.Join(parts, " · "), "nothing yet")
}
