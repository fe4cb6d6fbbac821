package keystest

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const redacted = "[redacted]"

func redaction(t *testing.T, w *env) {
	p := w.provider(t, "a")
	kek := kekOf(t, p, home.User)
	secret, _, err := p.GenerateDEK(ctx, kek, home)
	if err != nil {
		t.Fatal(err)
	}
	for name, handle := range map[string]any{"UMK": umkOf(t, p), "KEK": kek, "secret": secret} {
		t.Run(name, func(t *testing.T) { checkRedacted(t, handle) })
	}
}

// checkRedacted checks that a handle prints as "[redacted]" with every verb and flag of
// fmt, in JSON, as text and in slog, alone and inside a struct, a slice and a map.
func checkRedacted(t *testing.T, handle any) {
	t.Helper()
	for verb := rune('A'); verb <= 'z'; verb++ {
		if verb > 'Z' && verb < 'a' || strings.ContainsRune("Tpw", verb) {
			continue // not a letter, or a verb that fmt handles itself (type, address)
		}
		for _, flags := range []string{"", "+", "#", "-", " ", "0", "40", ".3", "+#"} {
			format := "%" + flags + string(verb)
			if got := fmt.Sprintf(format, handle); got != redacted {
				t.Errorf("%s prints %q", format, got)
			}
		}
	}
	held := struct{ Key any }{handle}
	for format, got := range map[string]string{
		"Sprint":       fmt.Sprint(handle),
		"Errorf":       fmt.Errorf("a key %v", handle).Error(),
		"%v of struct": fmt.Sprintf("%v", held),
		"%+v of slice": fmt.Sprintf("%+v", []any{handle}),
		"%#v of map":   fmt.Sprintf("%#v", map[string]any{"k": handle}),
		"JSON":         mustJSON(t, handle),
		"JSON of map":  mustJSON(t, map[string]any{"k": []any{handle}}),
		"slog text":    logged(func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) }, handle),
		"slog JSON":    logged(func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) }, handle),
	} {
		if !strings.Contains(got, redacted) || len(got) > 120 {
			t.Errorf("%s prints %q", format, got)
		}
	}
	value, ok := handle.(slog.LogValuer)
	if !ok || value.LogValue().String() != redacted {
		t.Error("LogValue is missing or shows the handle")
	}
	object, ok := handle.(json.Marshaler)
	if !ok {
		t.Fatal("the handle has no MarshalJSON")
	}
	if b, err := object.MarshalJSON(); err != nil || string(b) != `"`+redacted+`"` {
		t.Errorf("MarshalJSON returns %q, %v", b, err)
	}
	text, ok := handle.(encoding.TextMarshaler)
	if !ok {
		t.Fatal("the handle has no MarshalText")
	}
	if b, err := text.MarshalText(); err != nil || string(b) != redacted {
		t.Errorf("MarshalText returns %q, %v", b, err)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func logged(handler func(*bytes.Buffer) slog.Handler, handle any) string {
	var b bytes.Buffer
	slog.New(handler(&b)).Info("m", "k", handle)
	return b.String()
}
