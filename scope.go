package blue

import "context"

// By the partition rule (RFC 0058, Amendment 3) every method of DialogueStore
// takes a context and a DialogueID first and returns something
// PartitionScoped. This file checks it at compile time: each method expression
// must fit one of the two generic shapes below, or the build fails here. A
// test fails if a method is missing from the table.

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
