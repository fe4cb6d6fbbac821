// Package storetest contains the test suite of a dialogue store, sealed or not.
//
// It has the table of cases (Cases), the harness that a store declares, and
// Faulty, a record store with planned faults. The tests of a physical store are
// in record/recordtest. The tests of a key provider are in keys/keystest. Tests
// that only a sealed store can pass are in package encrypted.
//
// A case has a name of three parts, method/kind/case, and the same name on every
// store. If a harness lacks something that a case needs, the case is listed and
// skipped with the reason. If a sealed and an unsealed store differ, the case
// contains both expectations.
package storetest

import (
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// A Store is a dialogue store that the suite can test.
type Store interface {
	blue.DialogueStore
	blue.AnalyticsStore
}

// A Harness declares one kind of store. Every case starts with empty records. A
// case may open several stores on them, as several processes would.
type Harness struct {
	// Records returns an empty record store, which is closed when the test ends.
	Records func(t *testing.T) record.Store
	// Open opens a dialogue store over records, with a clock. All stores that
	// one harness opens share their keys.
	Open func(t *testing.T, records record.Store, now func() time.Time) Store
	// Encrypted reports whether items are sealed. A sealed store detects a
	// damaged or exchanged item, and a read writes an event.
	Encrypted bool
	// OpenOther opens a store with other keys, which do not open the items of
	// Open. It is nil if items are not sealed.
	OpenOther func(t *testing.T, records record.Store, now func() time.Time) Store
	// Below returns the record store directly under the engine, in which a
	// payload is the attribute "content". A case uses it to write the items of a
	// later version of the program. It is nil if a sealed store does not give
	// access. An unsealed store needs none.
	Below func(t *testing.T, records record.Store, now func() time.Time) record.Store
	// StoredKEK reports whether a user's key is stored, and is made at its first
	// use (KMS), instead of derived from the master key. Then a missing key and
	// a new key also have events.
	StoredKEK bool
}

// A Case is one leaf of the suite.
type Case struct {
	Name string // method/kind/case
	Run  func(t *testing.T, h Harness)
}

// Cases returns the suite in order. The names are distinct.
func Cases() []Case {
	var all []Case
	for _, group := range [][]Case{
		idCases(), absenceCases(), endedCases(), faultCases(), auditCases(), eventCases(), damageCases(),
		createCases(), getCases(), expertCases(), roundCases(), referenceCases(), validationCases(),
		limitCases(), signalCases(), verdictCases(), adoptionCases(), transitionCases(), amendCases(), listCases(), indexCases(),
		roundTripCases(), listFieldCases(), textCases(), unknownCases(), stepCases(), totalCases(), concurrencyCases(),
	} {
		all = append(all, group...)
	}
	return all
}

// Run runs the cases in parallel. It returns the names of all cases in order,
// skipped cases included.
func Run(t *testing.T, h Harness) []string {
	t.Helper()
	var names []string
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			names = append(names, c.Name)
			t.Parallel() // the rest runs later, because the harness serves many cases at once
			c.Run(t, h)
		})
	}
	t.Logf("%d leaf cases", len(names))
	return names
}

// on returns a case whose body gets a new environment.
func on(name string, run func(w *env)) Case {
	return Case{name, func(t *testing.T, h Harness) { run(newEnv(t, h)) }}
}
