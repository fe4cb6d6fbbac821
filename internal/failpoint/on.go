//go:build failpoint

package failpoint

import (
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// passed is the number of calls of At with the name in BLUE_FAILPOINT.
var passed atomic.Int64

// At marks a place with a name. If BLUE_FAILPOINT is that name, At ignores the
// first BLUE_FAILPOINT_SKIP calls (0 if unset). Then it creates the file
// BLUE_FAILPOINT_REACHED and waits for BLUE_FAILPOINT_WAIT (a Go duration, a
// minute if unset), so that a test that watches the file can kill the process.
// At may be called concurrently. It panics if the file cannot be created.
func At(name string) {
	if os.Getenv("BLUE_FAILPOINT") != name {
		return
	}
	if skip, _ := strconv.ParseInt(os.Getenv("BLUE_FAILPOINT_SKIP"), 10, 64); passed.Add(1) <= skip {
		return
	}
	if path := os.Getenv("BLUE_FAILPOINT_REACHED"); path != "" {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic("failpoint: " + err.Error())
		}
		f.Close()
	}
	wait, err := time.ParseDuration(os.Getenv("BLUE_FAILPOINT_WAIT"))
	if err != nil {
		wait = time.Minute
	}
	time.Sleep(wait)
}
