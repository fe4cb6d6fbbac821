package wire_test

import (
	"fmt"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/wire"
)

// A round is read from Blue's JSON. Members that are unknown leave a warning.
func Example() {
	batch, warnings, err := wire.ParseRoundBatch("which-cache", 0, []byte(`{
		"score": 12, "colour": "red",
		"tensions": [{"label": "Cost", "description": "A cache is cheap and stale."}]
	}`))
	if err != nil {
		panic(err)
	}
	fmt.Println(batch.Score, batch.Drafts[blue.KindTension][0].Text)
	for _, w := range warnings {
		fmt.Println(w.Message)
	}
	fmt.Println(wire.StrictJSON([]byte(`{"score": 1, "Score": 2}`)))
	// Output:
	// 12 A cache is cheap and stale.
	// unknown field colour was ignored
	// invalid input: not acceptable JSON at byte 13: a key that differs from another only by case
}
