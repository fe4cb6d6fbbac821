package keys

import (
	"fmt"
	"io"
	"log/slog"
)

// Redacted makes the handle that embeds it print as "[redacted]" under every
// verb of fmt, in JSON, as text and in slog.
type Redacted struct{}

const redaction = "[redacted]"

// String returns "[redacted]".
func (Redacted) String() string { return redaction }

// GoString returns "[redacted]".
func (Redacted) GoString() string { return redaction }

// Format writes "[redacted]" whatever the verb and flags.
func (Redacted) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redaction) }

// MarshalText returns "[redacted]".
func (Redacted) MarshalText() ([]byte, error) { return []byte(redaction), nil }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redaction + `"`), nil }

// LogValue returns "[redacted]".
func (Redacted) LogValue() slog.Value { return slog.StringValue(redaction) }
