package blue

import "context"

// The compile-time half of the partition rule (RFC 0058, Amendment 3): each
// method expression of DialogueStore must fit one of the two generic shapes
// below, that is, take a context and a DialogueID first and return something
// PartitionScoped. A method that does not fails the build here. The other
// half is a test: it fails when a method is missing from this table.

func scoped0[R PartitionScoped](func(DialogueStore, context.Context, DialogueID) (R, error)) struct{} {
	return struct{}{}
}

func scoped1[A any, R PartitionScoped](func(DialogueStore, context.Context, DialogueID, A) (R, error)) struct{} {
	return struct{}{}
}

var partitionRule = map[string]struct{}{
	"Create":          scoped1(DialogueStore.Create),
	"Load":            scoped0(DialogueStore.Load),
	"Get":             scoped1(DialogueStore.Get),
	"RegisterExpert":  scoped1(DialogueStore.RegisterExpert),
	"RegisterRound":   scoped1(DialogueStore.RegisterRound),
	"RecordSignal":    scoped1(DialogueStore.RecordSignal),
	"RegisterVerdict": scoped1(DialogueStore.RegisterVerdict),
	"Transition":      scoped1(DialogueStore.Transition),
	"Amend":           scoped1(DialogueStore.Amend),
}
