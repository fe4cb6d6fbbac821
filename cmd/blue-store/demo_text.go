package main

import (
	"fmt"
	"io"
	"strings"
)

// text writes the answer as text.
func (d *demoAnswer) text(w io.Writer) {
	var b strings.Builder
	key := "already there"
	if d.Key.New {
		key = "new local key (0600)"
	}
	imported := "already there"
	if d.Status != statusAlready {
		imported = d.Title
	}
	check := func(name, what, where string) {
		fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf("✓ %-8s %-24s %s", name, what, where), " "))
	}
	check("key", key, d.Key.Path)
	check("store", "SQLite (embedded)", d.Store)
	check("import", imported, "")
	fmt.Fprintf(&b, "           %s\n", countLine(d.Counts))
	check("sealed", fmt.Sprintf("%d items encrypted", d.Items), "")
	b.WriteString("\n")
	d.Item.writeColumns(&b)
	fmt.Fprintf(&b, "\n%s\nverified: %d items, version %d\n\n%s\n\nNext:\n", d.Outline, d.Items, d.Version, wrapText(d.Warning, 88))
	for _, line := range d.Next {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	b.WriteString("(in a checkout, type go run ./cmd/blue-store instead of blue-store)\n")
	io.WriteString(w, printable(b.String()))
}
