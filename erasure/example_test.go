package erasure_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/bluestore"
	"github.com/superviber/blue-encrypted-store/erasure"
)

// Example erases a dialogue. The certificate is signed with the key of the audit
// log.
func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "blue-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)

	auditKey := bluestore.AuditKey(filepath.Join(folder, "audit.key"))
	opts := &bluestore.Options{}
	opts.Audit.Signer = auditKey
	store, err := bluestore.Open(ctx, "memory:", bluestore.KeyFile(filepath.Join(folder, "umk.key")), "ada", opts)
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	if _, err := store.Create(ctx, "which-cache", blue.NewDialogue{Title: "Which cache?"}); err != nil {
		log.Fatal(err)
	}

	service := erasure.New(store, erasure.Options{Notary: func(ctx context.Context) (*erasure.Notary, error) {
		signer, err := auditKey(ctx)
		if err != nil {
			return nil, err
		}
		verifiers, err := checkpoint.ParseVerifiers([]string{signer.VerifierKey()})
		if err != nil {
			return nil, err
		}
		return &erasure.Notary{Store: store.Records(), Signer: signer, Verifiers: verifiers}, nil
	}})
	_, err = service.Dialogue(ctx, "which-cache", func(r erasure.Result) error {
		fmt.Println(r.Certificate.State, r.Certificate.Subject.ID, len(r.Certificate.Keys), "key destroyed")
		return nil // after storing r.Note
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = store.Load(ctx, "which-cache")
	fmt.Println(err)
	// Output:
	// pending which-cache 1 key destroyed
	// dialogue which-cache: erased
}
