package cloudcampaign

import (
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// burnerVariable makes the test binary a process that uses one core.
const burnerVariable = "BLUE_CAMPAIGN_BURNER"

// burnCPU runs processes that each use one core, until the test ends. They take
// the CPU from the writers, the proxy and DynamoDB Local at any moment, as other
// programs do on a busy machine.
func burnCPU(t *testing.T, processes int) {
	t.Helper()
	for range processes {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), burnerVariable+"=1", "GOMAXPROCS=1")
		stdin, err := c.StdinPipe()
		check(t, err)
		check(t, c.Start())
		t.Cleanup(func() {
			stdin.Close()
			c.Wait()
		})
	}
}

// burn uses one core until standard input is closed, which happens also when
// the parent process dies.
func burn() {
	var closed atomic.Bool
	go func() {
		io.Copy(io.Discard, os.Stdin)
		closed.Store(true)
	}()
	for !closed.Load() {
	}
	os.Exit(0)
}

// defaultBurners returns one burner for each core in the long form, else none.
func defaultBurners() int {
	if campaigntest.IsLong() {
		return runtime.NumCPU()
	}
	return 0
}

// numberFrom returns the number in an environment variable, or otherwise.
func numberFrom(t *testing.T, variable string, otherwise int) int {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%q is not a number", variable, text)
	}
	return n
}
