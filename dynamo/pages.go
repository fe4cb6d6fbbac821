package dynamo

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/superviber/blue-encrypted-store/record"
)

// onward follows a response that comes in pages. A page can be empty or short
// and still not be the last one. Only the key of the next page shows whether
// it is the last. onward detects a server that returns the same key twice,
// which would cause an endless loop.
type onward struct {
	what string // the subject of the read, for the error
	seen map[string]bool
}

// past records a key to resume after. All its attributes are texts. It returns
// ErrUnavailable if the key was recorded before.
func (o *onward) past(key item) error {
	var place strings.Builder
	for _, name := range slices.Sorted(maps.Keys(key)) {
		fmt.Fprintf(&place, "%q%q", name, text(key[name]))
	}
	if o.seen[place.String()] {
		return stuck(o.what)
	}
	if o.seen == nil {
		o.seen = map[string]bool{}
	}
	o.seen[place.String()] = true
	return nil
}

// stuck returns the error for repeated pages, or for a page without the key of
// the next one.
func stuck(what string) error {
	return fmt.Errorf("%w: dynamo: the pages of %s do not advance", record.ErrUnavailable, what)
}
