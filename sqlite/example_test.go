package sqlite_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/plain"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// The dialogue is stored in a file, so another process can read it later.
func Example() {
	ctx := context.Background()
	home, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(home)
	path := filepath.Join(home, "blue.db")

	records, err := sqlite.Open(ctx, path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = plain.New(records, nil).Create(ctx, "tea", blue.NewDialogue{Title: "Tea or coffee"})
	fmt.Println(err, records.Close())

	records, err = sqlite.Open(ctx, path, &sqlite.Options{ReadOnly: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer records.Close()
	snapshot, err := plain.New(records, nil).Load(ctx, "tea")
	fmt.Println(snapshot.Dialogue.Title, err)
	fmt.Println(records.Check(ctx))
	// Output:
	// <nil> <nil>
	// Tea or coffee <nil>
	// <nil>
}
