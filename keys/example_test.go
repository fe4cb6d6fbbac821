package keys_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
)

// Ada creates the keys of a dialogue and grants access to bob. Then she revokes it:
// the next version is not wrapped for him.
func Example() {
	ctx := context.Background()
	home, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(home)

	store := memory.New()
	provider := localfile.Open(filepath.Join(home, "umk.key"), &localfile.Options{
		MayCreate: func(context.Context) (bool, error) { return true, nil },
	})
	ada := keys.NewRing(store, provider, "ada", nil)
	defer ada.Close()
	bob := keys.NewRing(store, provider, "bob", nil)
	defer bob.Close()

	k, err := ada.Create(ctx, "tea")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer k.Destroy()
	fmt.Println(k.ID(), k)

	granted, err := ada.Grant(ctx, "tea", "bob")
	fmt.Println(granted, err)

	next, err := ada.Advance(ctx, "tea", 1, "bob")
	fmt.Println(next.Version, err)
	_, err = bob.Open(ctx, "dek#tea#2")
	fmt.Println(errors.Is(err, keys.ErrDenied), err)
	// Output:
	// dek#tea#1 [redacted]
	// true <nil>
	// 2 <nil>
	// true opening key 2 of dialogue tea: cannot open the seal: denied: key version 2 is not granted to user bob
}
