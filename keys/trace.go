package keys

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// attributes of a span: ids that are clear wherever they lie. The user is a
// person and is left out.
func (b Binding) attributes() trace.SpanStartEventOption {
	return trace.WithAttributes(attribute.String("dialogue", b.Dialogue), attribute.Int64("key_version", int64(b.Version)))
}

// end ends a span. Of an error it tells the class: a message may name a user
// or a path.
func end(span trace.Span, err error) {
	if err != nil {
		span.SetStatus(codes.Error, Class(err))
	}
	span.End()
}
