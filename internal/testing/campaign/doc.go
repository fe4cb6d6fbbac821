// Package campaign holds the tests that run the program as a user's machine
// would: as processes that are killed, started fifty at once, given full disks
// and files of others, and whose files are then read byte by byte.
//
// What belongs here: what needs the real program, several processes, or the
// files of a whole store. What does not: what one package can show by itself
// (its own tests), and the text of answers (cmd/blue-store/testdata).
//
// There is nothing here but tests. They have three lengths: -short, the
// ordinary one, and BLUE_CAMPAIGN=long. With BLUE_FIGURES=1 each writes what
// it counted to docs/figures/{name}.json.
package campaign
