// Package failpoint marks places in the code where a test stops and kills a
// process.
//
// In an ordinary build the marks do nothing. With the build tag "failpoint", the
// mark that the environment variable BLUE_FAILPOINT names reports that it was
// reached and waits (see on.go). The package does not kill the process: the test
// does.
//
// A mark has no effect for a user. Except this package, only cmd reads the
// environment.
package failpoint
