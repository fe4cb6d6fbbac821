// Package campaign tests the program as processes on a user's machine.
//
// Its tests kill processes, start fifty at once, fill disks, damage files, and
// read the files of a store byte by byte. A test belongs here if it needs the
// real program, several processes, or the files of a whole store. Tests of one
// package are in that package. The texts of answers are in
// cmd/blue-store/testdata.
//
// The package has only tests. They have three lengths: -short, the ordinary one,
// and BLUE_CAMPAIGN=long. With BLUE_FIGURES=1 each test writes its counts to
// docs/figures/{name}.json.
package campaign
