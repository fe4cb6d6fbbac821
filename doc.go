// Package blue is the domain of alignment dialogues: panels of experts argue a
// question over rounds and leave perspectives, tensions, recommendations,
// evidence, claims, references between them, scores and verdicts.
//
// What belongs here: the identifiers, the 14 entity kinds of RFC 0058 with
// their closed statuses, the rules (references, lifecycles, batch validation,
// the convergence gate), the interfaces DialogueStore and AnalyticsStore, and
// the errors every store returns. Only the standard library is imported.
//
// What does not: how an entity is stored (internal/engine, record), how it is
// sealed (envelope, encrypted), what can be computed over a loaded dialogue
// beyond its rules (graph, export), and anything about a command line (cmd).
//
// An entity says in its struct tags which of its fields an observer of the
// store can read: `clear:"name"` fields become plain attributes,
// `sealed:"name"` fields become members of the encrypted payload (RFC 0058,
// "DynamoDB Schema").
package blue
