package envelope_test

import (
	"fmt"

	"github.com/superviber/blue-encrypted-store/envelope"
)

func Example() {
	kek, r := envelope.GenerateSecret(), envelope.GenerateSecret()
	wrapped, _ := envelope.WrapSecret(kek, "ada", "storage-choice", 1, r) // 60 bytes for blue_keys

	r, _ = envelope.UnwrapSecret(kek, "ada", "storage-choice", 1, wrapped)
	keys, _ := envelope.DeriveKeys(r, "storage-choice", 1)
	addr, _ := envelope.ItemAddress("storage-choice", "tension#00#01")
	ciphertext, nonce, _ := keys.Seal(addr, []byte(`{"label":"Latency"}`))
	payload, _ := keys.Open(addr, ciphertext, nonce)

	moved, _ := envelope.ItemAddress("storage-choice", "tension#00#02")
	_, err := keys.Open(moved, ciphertext, nonce)

	fmt.Println(keys.ID(), addr, r)
	fmt.Println(len(wrapped), len(ciphertext), string(payload))
	fmt.Println(err)
	// Output:
	// dek#storage-choice#1 dialogue:storage-choice/entity:tension/00#01 [redacted]
	// 60 80 {"label":"Latency"}
	// cannot open the envelope
}
