package keys

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/record"
)

// classes has an error of each class, in the order of docs/format.md.
var classes = []struct {
	class string
	err   error
}{
	{"wrong_key", &WrongKeyError{Want: "umk:1", Have: "umk:2"}},
	{"tampered", newTamperError("tea", record.DamageChanged, "head", "altered")},
	{"erased", blue.ErrErased},
	{"denied", ErrDenied},
	{"missing", ErrNoKEK},
	{"conflict", blue.ErrConflict},
	{"cancelled", context.Canceled},
	{"busy", blue.ErrBusy},
	{"unavailable", blue.ErrUnavailable},
	{"too_large", blue.ErrTooLarge},
	{"invalid", blue.ErrInvalid},
	{"sealed", blue.ErrSealed},
	{"other", errors.New("something")},
}

// TestClass checks the class of each error. Two joined errors have the class that
// comes first in the table of the format.
func TestClass(t *testing.T) {
	for i, c := range classes {
		for _, err := range []error{c.err, fmt.Errorf("opening it: %w", c.err)} {
			if got := Class(err); got != c.class {
				t.Errorf("%v is %q, want %q", err, got, c.class)
			}
		}
		for _, later := range classes[i+1:] {
			if got := Class(errors.Join(later.err, c.err)); got != c.class {
				t.Errorf("%s and %s joined are %q", c.class, later.class, got)
			}
		}
	}
	for want, err := range map[string]error{
		"":          nil,
		"cancelled": context.DeadlineExceeded,
		"tampered":  blue.ErrRolledBack,
	} {
		if got := Class(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
	if got := Class(newMissingKeyError("no header")); got != "missing" {
		t.Errorf("a missing record is %q", got)
	}
}

// TestClassesDocumented: the table of the format has these classes in this order,
// after the class that package encrypted adds.
func TestClassesDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "docs", "format.md"))
	if err != nil {
		t.Fatal(err)
	}
	table := regexp.MustCompile(`(?s)\n\| class \| what failed \|\n.*?\n\n`).Find(text)
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|").FindAllSubmatch(table, -1) {
		documented = append(documented, string(row[1]))
	}
	want := []string{"rolled_back"}
	for _, c := range classes {
		want = append(want, c.class)
	}
	if !slices.Equal(documented, want) {
		t.Errorf("docs/format.md has the classes %q, want %q", documented, want)
	}
}
