package main

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// startTrace returns a context with the trace of this run. The trace continues the
// one in TRACEPARENT (W3C Trace Context), if there is one. Audit events and JSON
// errors contain its id. The program does not export spans.
func (a *app) startTrace(ctx context.Context) context.Context {
	a.spans = sdktrace.NewTracerProvider()
	parent := propagation.MapCarrier{"traceparent": a.env("TRACEPARENT")}
	ctx, _ = a.tracer().Start(propagation.TraceContext{}.Extract(ctx, parent), "blue-store")
	return ctx
}

// tracer returns the tracer of this run.
func (a *app) tracer() trace.Tracer {
	if a.spans == nil {
		return noop.NewTracerProvider().Tracer("")
	}
	return a.spans.Tracer("blue-store")
}

// traceID returns the trace id in a context as 32 hex digits, or "".
func traceID(ctx context.Context) string {
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() {
		return s.TraceID().String()
	}
	return ""
}
