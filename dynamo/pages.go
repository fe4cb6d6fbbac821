package dynamo

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/superviber/blue-encrypted-store/record"
)

// onward follows an answer that comes in pages. A page may be empty or hold few
// items and still not be the last one; which it is, the key of the next one says
// alone. A server that names the same key twice would be asked for ever.
type onward struct {
	what string // what is read, for the error
	seen map[string]bool
}

// past takes note of a key to go on after, all of whose attributes are texts.
// ErrUnavailable for one that was there before.
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

// stuck is the error of pages that come again and again, or of one that says
// that there are more and not where.
func stuck(what string) error {
	return fmt.Errorf("%w: dynamo: the pages of %s do not advance", record.ErrUnavailable, what)
}
