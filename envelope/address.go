package envelope

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
)

// metaSK is the sort key of a dialogue's own item.
const metaSK = "meta"

// Address is the canonical name of an item, the same on every store:
//
//	dialogue:{id}/entity:{kind}/{rest}
//
// Two items never share one, since neither an id nor a kind holds '/'.
type Address string

// ItemAddress returns the address of the item under a sort key, "meta" or
// "{kind}#{rest}". ErrInvalid for an id that no address can hold
// (empty, not UTF-8, with '/', '#', ':' or a control character) and for a sort
// key without kind or rest, with '/' or ':' in its kind, or with a control
// character. The kind "dialogue" is refused: it is the address of "meta".
func ItemAddress(dialogue, sk string) (Address, error) {
	if err := checkDialogue(dialogue); err != nil {
		return "", err
	}
	if sk == metaSK {
		return Address("dialogue:" + dialogue + "/entity:dialogue/meta"), nil
	}
	kind, rest, _ := strings.Cut(sk, "#")
	switch {
	case kind == "" || rest == "":
		return "", fmt.Errorf("%w: sort key %.80q is neither \"meta\" nor \"{kind}#{rest}\"", blue.ErrInvalid, sk)
	case kind == "dialogue" || strings.ContainsAny(kind, "/:"):
		return "", fmt.Errorf("%w: sort key %.80q begins with no kind of entity", blue.ErrInvalid, sk)
	case !utf8.ValidString(sk) || strings.ContainsFunc(sk, unicode.IsControl):
		return "", fmt.Errorf("%w: sort key %.80q holds a control character or is not UTF-8", blue.ErrInvalid, sk)
	}
	return Address("dialogue:" + dialogue + "/entity:" + kind + "/" + rest), nil
}

// AAD returns the associated data of the item: SHA-256 of the address, raw.
func (a Address) AAD() [32]byte { return sha256.Sum256([]byte(a)) }

// Hash returns the attribute aad_hash, the AAD in 64 lower-case hex digits.
// It is there for people; what is stored is never used to open anything.
func (a Address) Hash() string {
	sum := a.AAD()
	return hex.EncodeToString(sum[:])
}

// checkDialogue refuses ids that would make an address, a key id or the info
// of a derivation ambiguous. ErrInvalid. The full grammar is blue.DialogueID's.
func checkDialogue(id string) error {
	if id == "" || !utf8.ValidString(id) || strings.ContainsAny(id, "/#:") || strings.ContainsFunc(id, unicode.IsControl) {
		return fmt.Errorf("%w: dialogue id %.80q is empty, not UTF-8, or holds '/', '#', ':' or a control character", blue.ErrInvalid, id)
	}
	return nil
}
