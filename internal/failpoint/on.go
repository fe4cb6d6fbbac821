//go:build failpoint

package failpoint

import (
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// passed counts how often the place of BLUE_FAILPOINT was passed.
var passed atomic.Int64

// At marks the place with the name. If BLUE_FAILPOINT is that name, and it was
// passed BLUE_FAILPOINT_SKIP times before (0 if unset), it creates the file
// BLUE_FAILPOINT_REACHED and waits BLUE_FAILPOINT_WAIT (a Go
// duration, a minute if unset) for whoever watches the file to kill the process.
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
