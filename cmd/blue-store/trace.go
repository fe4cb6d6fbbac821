package main

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// traced begins the trace of this run: a child of the caller's, where the
// environment names one (TRACEPARENT, W3C Trace Context), else its own. Its
// ids stand in the audit events and in JSON errors. Spans are not exported.
func (a *app) traced(ctx context.Context) context.Context {
	a.spans = sdktrace.NewTracerProvider()
	parent := propagation.MapCarrier{"traceparent": a.env("TRACEPARENT")}
	ctx, _ = a.tracer().Start(propagation.TraceContext{}.Extract(ctx, parent), "blue-store")
	return ctx
}

// tracer makes the spans of a run.
func (a *app) tracer() trace.Tracer {
	if a.spans == nil {
		return noop.NewTracerProvider().Tracer("")
	}
	return a.spans.Tracer("blue-store")
}

// traceID is the trace of a run, 32 hex digits, or "".
func traceID(ctx context.Context) string {
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() {
		return s.TraceID().String()
	}
	return ""
}
