// Package wire reads the JSON of requests as Blue writes it.
//
// [StrictJSON] checks that a text means the same to every reader. The Parse
// functions turn one object into a request of package blue. They are as lenient as
// Blue: a member that is absent or has the wrong type counts as absent, and
// each one leaves a warning of type unknown_field. Unlike Blue they refuse a
// number that does not fit 64 bits (SPEC §13, bug 12) and an unknown name in a
// closed list (bug 18).
//
// A scanner checks the text, and a reader collects the warnings and errors of its
// members.
//
// The rules of a request are in package blue (Validate). The JSON of answers
// and of an export is in the program and in package view.
//
// All functions are pure. They may be called concurrently.
package wire
