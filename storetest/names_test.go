package storetest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
)

const leastCases = 150

// TestSameNames lists the suite of every harness and compares the names of the
// leaf cases. The cases run in packages memory, sqlite, dynamo, encrypted and
// internal/testing/cloudsuite.
func TestSameNames(t *testing.T) {
	ran := map[string][]string{}
	all := harnesses(t)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		h := all[name]
		h.Records = func(t *testing.T) record.Store { t.Skip("skipped: this test lists the cases"); return nil }
		t.Run(name, func(t *testing.T) { ran[name] = storetest.Run(t, h) })
	}
	names := ran["memory"]
	if len(names) < leastCases {
		t.Errorf("%d leaf cases, want at least %d", len(names), leastCases)
	}
	for harness, others := range ran {
		if diff := cmp.Diff(names, others); diff != "" {
			t.Errorf("cases of memory and of %s (-memory +%s):\n%s", harness, harness, diff)
		}
	}
	t.Logf("%d leaf cases on each of %d harnesses, no difference", len(names), len(ran))
}

// TestCaseNames checks that each name has the form method/kind/case and is
// unique.
func TestCaseNames(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range storetest.Cases() {
		if strings.Count(c.Name, "/") != 2 || seen[c.Name] {
			t.Errorf("case name %q", c.Name)
		}
		seen[c.Name] = true
	}
}
