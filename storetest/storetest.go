// Package storetest is what every dialogue store must do, sealed or not.
//
// What belongs here: the cases, as a table (Cases), the harness that a store
// declares, and Faulty, a record store that fails where it is told to. What
// does not: what a physical store must do (record/recordtest), what a key
// provider must do (keys/keystest), and what only a sealed store can be asked
// (the tests of package encrypted).
//
// A case has a name of three parts, method/kind/case, and the same name on
// every store. Where a harness lacks what a case needs, the case is listed and
// skipped with the reason; where a sealed and an unsealed store differ, the
// one case says what either does.
package storetest

import (
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// Store is what the suite runs on.
type Store interface {
	blue.DialogueStore
	blue.AnalyticsStore
}

// Harness declares one kind of store. Every case begins with records of its
// own; a case may open several stores on them, as several processes would.
type Harness struct {
	// Records returns an empty record store, closed when the test ends.
	Records func(t *testing.T) record.Store
	// Open opens a dialogue store over records, with a clock. All stores
	// that one harness opens share their keys.
	Open func(t *testing.T, records record.Store, now func() time.Time) Store
	// Encrypted says that items are sealed: a damaged or exchanged item is
	// noticed, a read leaves an event.
	Encrypted bool
	// Stranger opens a store whose keys open none of the others' items. Nil
	// where nothing is sealed.
	Stranger func(t *testing.T, records record.Store, now func() time.Time) Store
	// Below returns the record store right under the engine, in which a
	// payload is the attribute "content": a case writes there what a later
	// version of the program would. Nil where a sealed store keeps it to
	// itself; an unsealed one needs none.
	Below func(t *testing.T, records record.Store, now func() time.Time) record.Store
	// StoredKEK says that a user's key is stored and made when it is first
	// needed (KMS), and not derived from the master key: making and missing
	// it leaves events too.
	StoredKEK bool
}

// Case is one leaf of the suite.
type Case struct {
	Name string // method/kind/case
	Run  func(t *testing.T, h Harness)
}

// Cases returns the suite, in order; the names are distinct.
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

// Run runs the suite, cases beside each other, and returns the names of the
// cases in order, those that will be skipped included.
func Run(t *testing.T, h Harness) []string {
	t.Helper()
	var names []string
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			names = append(names, c.Name)
			t.Parallel() // from here on later; the harness serves many cases at once
			c.Run(t, h)
		})
	}
	t.Logf("%d leaf cases", len(names))
	return names
}

// on makes a case whose body gets a fresh world.
func on(name string, run func(w *world)) Case {
	return Case{name, func(t *testing.T, h Harness) { run(newWorld(t, h)) }}
}
