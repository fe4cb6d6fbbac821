package view_test

import (
	"fmt"
	"os"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/view"
)

// A loaded dialogue is read as a graph, a scoreboard and citations.
func Example() {
	cost := blue.EntityID{Kind: blue.KindTension, Round: 0, Seq: 1}
	s := &blue.Snapshot{Rounds: []*blue.RoundRecord{{Score: 12, OpenTensions: 1, ConvergeSignals: 1, PanelSize: 2}}}
	s.Add(
		&blue.Tension{Contribution: blue.Contribution{ID: cost, Status: blue.StatusOpen, Label: "Cost"}, Description: "A cache is cheap and stale."},
		&blue.Claim{Contribution: blue.Contribution{
			ID: blue.EntityID{Kind: blue.KindClaim, Round: 0, Seq: 1}, Status: "asserted", Label: "Cheap",
			References: []blue.Reference{{Type: "address", Target: cost}},
		}},
	)
	if err := view.NewGraph(s).WriteText(os.Stdout, 0); err != nil {
		panic(err)
	}
	for _, row := range view.Scoreboard(s) {
		fmt.Println("round", row.Round, "score", row.Total, "converged", row.ConvergePercent)
	}
	for _, c := range view.Cite(s, []string{"T0001", "T0002"}) {
		if c.Err != nil {
			fmt.Println(c.ID, c.Err)
			continue
		}
		fmt.Println(c.ID, c.Entity.Content)
	}
	// Output:
	// round 0
	//   T0001 tension open  Cost
	//   C0001 claim asserted  Cheap
	//     → address T0001
	// round 0 score 12 converged 50.0
	// T0001 A cache is cheap and stale.
	// T0002 not found: dialogue  has no tension T0002
}
