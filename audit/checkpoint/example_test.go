package checkpoint_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"

	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

// The owner of a chain signs its first three events and proves the second one. A
// verifier, who has the public key from its configuration, checks the proof.
func Example() {
	const chain = "5f0c6d1e00000000000000000000abcd"
	var events [3][32]byte // event hashes
	for i := range events {
		events[i] = sha256.Sum256(fmt.Appendf(nil, "event %d", i+1))
	}

	signer, err := checkpoint.NewSigner(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		fmt.Println(err)
		return
	}
	prover, err := checkpoint.NewInclusionProver(1, 3)
	if err != nil {
		fmt.Println(err)
		return
	}
	var tree checkpoint.Tree
	for _, e := range events {
		tree.Append(e[:])
		prover.Append(e[:])
	}
	note, err := signer.Sign(checkpoint.Checkpoint{Origin: checkpoint.Origin(chain), Size: tree.Size(), Root: tree.Root()})
	if err != nil {
		fmt.Println(err)
		return
	}
	hashes, err := prover.Hashes()
	if err != nil {
		fmt.Println(err)
		return
	}
	text := checkpoint.Proof{Index: 1, Hashes: hashes, Note: note}.String()

	verifiers, err := checkpoint.ParseVerifiers([]string{signer.VerifierKey()})
	if err != nil {
		fmt.Println(err)
		return
	}
	proof, err := checkpoint.ParseProof(text)
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := proof.Open(events[1][:], verifiers)
	fmt.Println(c.Chain(), c.Size, err)
	_, err = proof.Open(events[2][:], verifiers)
	fmt.Println(err)
	// Output:
	// 5f0c6d1e00000000000000000000abcd 3 <nil>
	// integrity failure: inclusion proof: event 2 is not in the tree of 3 events
}
