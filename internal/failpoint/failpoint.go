// Package failpoint marks places in the code where a test may stop a process
// to kill it there. In an ordinary build every mark is empty; with the build
// tag "failpoint" the place named by the environment variable BLUE_FAILPOINT
// reports that it was reached and waits (see on.go).
//
// A mark changes nothing a user can see, and nothing else of the module reads
// the environment outside cmd.
package failpoint
