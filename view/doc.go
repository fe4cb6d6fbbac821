// Package view computes what can be read from a loaded dialogue: the graph of
// its argument, the scoreboard, the progress, citations, warnings, and the
// export.
//
// All functions are pure functions over a blue.Snapshot. They may be called
// concurrently while the snapshot does not change. Loading a dialogue is in
// package blue (DialogueStore). The rules of a dialogue, the convergence gate
// among them, are in package blue as well.
//
// The export of a dialogue as JSON, and the forms of the graph (text, JSON,
// Graphviz), are written here too. How the program prints a single entity is in
// cmd.
package view
