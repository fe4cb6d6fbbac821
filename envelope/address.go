package envelope

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
)

// metaSK is the sort key of a dialogue's meta item.
const metaSK = "meta"

// An Address is the canonical name of an item, the same on every backend:
//
//	dialogue:{id}/entity:{kind}/{rest}
//
// Two items never have the same address, because neither an id nor a kind
// contains '/'.
type Address string

// ItemAddress returns the address of the item with the given sort key, which is
// "meta" or "{kind}#{rest}".
//
// It returns blue.ErrInvalid for a dialogue id that is empty, is not UTF-8 or
// contains '/', '#', ':' or a control character. It also returns
// blue.ErrInvalid for a sort key without a kind or a rest, with '/' or ':' in
// its kind, with a control character, or of the kind "dialogue", which is
// reserved for "meta".
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
		return "", fmt.Errorf("%w: sort key %.80q does not begin with a kind of entity", blue.ErrInvalid, sk)
	case !utf8.ValidString(sk) || strings.ContainsFunc(sk, unicode.IsControl):
		return "", fmt.Errorf("%w: sort key %.80q contains a control character or is not UTF-8", blue.ErrInvalid, sk)
	}
	return Address("dialogue:" + dialogue + "/entity:" + kind + "/" + rest), nil
}

// AAD returns the associated data of the item: the SHA-256 of the address, 32
// bytes.
func (a Address) AAD() [32]byte { return sha256.Sum256([]byte(a)) }

// Hash returns the attribute aad_hash: the AAD in 64 lower-case hexadecimal
// digits. It is stored for people. A stored value is never used to open an item.
func (a Address) Hash() string {
	sum := a.AAD()
	return hex.EncodeToString(sum[:])
}

// ParseKeyID parses the attribute key_id, "dek#{dialogue}#{version}" (RFC 0058,
// "Encryption Envelope"). The version is 1 to 2^32-1 in shortest decimal, so
// each key has one id. ParseKeyID returns blue.ErrInvalid for any other text.
func ParseKeyID(s string) (dialogue string, version uint32, err error) {
	rest, _ := strings.CutPrefix(s, "dek#")
	dialogue, digits, _ := strings.Cut(rest, "#")
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 || keyID(dialogue, uint32(n)) != s {
		return "", 0, fmt.Errorf("%w: key id %.80q; a key id is dek#{dialogue}#{version}", blue.ErrInvalid, s)
	}
	if err := checkDialogue(dialogue); err != nil {
		return "", 0, fmt.Errorf("key id %.80q: %w", s, err)
	}
	return dialogue, uint32(n), nil
}

func keyID(dialogue string, version uint32) string {
	return "dek#" + dialogue + "#" + decimal(version)
}

func decimal(version uint32) string { return strconv.FormatUint(uint64(version), 10) }

// checkDialogue returns blue.ErrInvalid for an id that would make an address, a
// key id or the info of a derivation ambiguous. blue.DialogueID has the full
// grammar of ids.
func checkDialogue(id string) error {
	if id == "" || !utf8.ValidString(id) || strings.ContainsAny(id, "/#:") || strings.ContainsFunc(id, unicode.IsControl) {
		return fmt.Errorf("%w: dialogue id %.80q is empty, not UTF-8, or contains '/', '#', ':' or a control character", blue.ErrInvalid, id)
	}
	return nil
}

// checkVersion returns blue.ErrInvalid for a dialogue and version that no key id
// can name.
func checkVersion(dialogue string, version uint32) error {
	if version == 0 {
		return fmt.Errorf("%w: key versions begin at 1", blue.ErrInvalid)
	}
	return checkDialogue(dialogue)
}
