// Package blue is the domain of alignment dialogues.
//
// In a dialogue a panel of experts argues a question over rounds. The experts
// leave perspectives, tensions, recommendations, evidence and claims, with
// references between them. A judge scores the rounds. Verdicts end the
// dialogue.
//
// The package holds the identifiers, the 14 entity kinds of RFC 0058 with
// their closed statuses (one table, kinds.go), the rules (references,
// lifecycles, validation, the convergence gate), the interfaces DialogueStore
// and AnalyticsStore, and the errors of every store. It imports the standard
// library and three internal packages for numbers, texts and JSON.
//
// The package does not store entities: that is in record and internal/engine.
// Encryption is in envelope and encrypted. The JSON of requests is in wire.
// What can be computed from a loaded dialogue is in view.
//
// Struct tags of an entity say which fields a reader of the store can see. A
// field with `clear:"name"` is a plain attribute. A field with `sealed:"name"`
// is a member of the encrypted payload (RFC 0058, "DynamoDB Schema").
package blue
