package envelope

import (
	"fmt"
	"strconv"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// keyID returns "dek#{dialogue}#{version}" (RFC 0058, "Encryption Envelope").
func keyID(dialogue string, version uint32) string {
	return "dek#" + dialogue + "#" + strconv.FormatUint(uint64(version), 10)
}

// ParseKeyID reads the attribute key_id. There is one spelling for each key:
// the version is 1 to 2^32-1, shortest decimal. ErrInvalid for all else.
func ParseKeyID(s string) (dialogue string, version uint32, err error) {
	rest, ok := strings.CutPrefix(s, "dek#")
	dialogue, digits, found := strings.Cut(rest, "#")
	n, err := strconv.ParseUint(digits, 10, 32)
	if !ok || !found || err != nil || n == 0 || keyID(dialogue, uint32(n)) != s {
		return "", 0, fmt.Errorf("%w: key id %.80q; a key id is dek#{dialogue}#{version}", blue.ErrInvalid, s)
	}
	if err := checkDialogue(dialogue); err != nil {
		return "", 0, fmt.Errorf("key id %.80q: %w", s, err)
	}
	return dialogue, uint32(n), nil
}
