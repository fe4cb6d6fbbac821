package encrypted

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/superviber/blue-encrypted-store/record"
)

// Spans, each within the one above it. Attributes are ids, counts and sizes:
// what whoever holds the store can read. No text, no key byte, no user.
//
//	load get salvage verify   dialogue
//	  key.unwrap              dialogue, key_version   (package keys)
//	    key.derive_kek
//	  open                    items, bytes
//	  audit.append            (package audit)
//	commit                    dialogue
//	  key.wrap                dialogue, key_version   (package keys)
//	  seal                    items, bytes
//	witness                   dialogue
//
// A failed span has its error class as status.

// tracer returns t, or one that makes no spans.
func tracer(t trace.Tracer) trace.Tracer {
	if t == nil {
		return noop.NewTracerProvider().Tracer("")
	}
	return t
}

// measure notes how much a span opened or sealed: records, and their stored
// bytes.
func measure(span trace.Span, items []record.Record) {
	if !span.IsRecording() {
		return
	}
	bytes := 0
	for _, r := range items {
		bytes += r.Size()
	}
	span.SetAttributes(attribute.Int("items", len(items)), attribute.Int("bytes", bytes))
}

// measureWrites does the same for a commit, audit event and pointer included.
func measureWrites(span trace.Span, writes []record.Write) {
	if !span.IsRecording() {
		return
	}
	items := make([]record.Record, len(writes))
	for i, w := range writes {
		items[i] = w.Record
	}
	measure(span, items)
}
