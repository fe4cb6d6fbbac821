package blue_test

import (
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
)

// A request is checked without any store. The error lists everything that is
// wrong with it.
func Example() {
	batch := blue.RoundBatch{
		Round: 0,
		Drafts: map[blue.Kind][]blue.Draft{
			blue.KindTension: {{LocalID: "MUFFIN-T01", Label: "Cost", Text: "A cache is cheap and stale."}},
			blue.KindClaim:   {{Label: "Cheap", References: []blue.RefDraft{{Type: "refine", Target: "MUFFIN-T01"}}}},
		},
	}
	fmt.Println(batch.Validate())

	for _, status := range blue.KindTension.Statuses() {
		fmt.Println(status, blue.KindTension.CanChange(blue.StatusOpen, status))
	}
	// Output:
	// refused by a rule: validation failed with 2 error(s): claims[0].content: missing_field: Required field 'content' is missing; claims[0].references[0]: invalid_ref_target: Reference type 'refine' requires same entity types. Source: C, Target: T
	// open false
	// addressed true
	// resolved false
	// reopened false
}
