package anchor_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"

	"github.com/superviber/blue-encrypted-store/audit/anchor"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

// A process publishes a checkpoint to a folder, and a verifier reads it.
func Example() {
	folder, err := os.MkdirTemp("", "anchor")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	ctx := context.Background()
	const chain = "5f0c6d1e00000000000000000000abcd"

	signer, err := checkpoint.NewSigner(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		fmt.Println(err)
		return
	}
	note, err := signer.Sign(checkpoint.Checkpoint{Origin: checkpoint.Origin(chain), Size: 256, Root: sha256.Sum256([]byte("root"))})
	if err != nil {
		fmt.Println(err)
		return
	}
	a := anchor.NewDir(folder)
	if err := a.Publish(ctx, chain, 256, note); err != nil {
		fmt.Println(err)
		return
	}

	for chain, err := range a.Chains(ctx) {
		latest, latestErr := a.Latest(ctx, chain)
		fmt.Println(chain, err, latest == note, latestErr)
	}
	// Output: 5f0c6d1e00000000000000000000abcd <nil> true <nil>
}
