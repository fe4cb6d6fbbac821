package freshness_test

import (
	"fmt"
	"log"
	"os"

	"github.com/superviber/blue-encrypted-store/freshness"
)

// Example stores a record in a folder and reads it.
func Example() {
	folder, err := os.MkdirTemp("", "blue-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)

	var store freshness.Store = freshness.Dir(folder)
	if err := store.Put(freshness.Record{Dialogue: "which-cache", Version: 7}); err != nil {
		log.Fatal(err)
	}
	record, ok, err := store.Get("which-cache")
	fmt.Println(record.Version, ok, err)
	// Output: 7 true <nil>
}
