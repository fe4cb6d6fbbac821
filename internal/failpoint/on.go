//go:build failpoint

package failpoint

import (
	"os"
	"time"
)

// At marks the place with the name. If BLUE_FAILPOINT is that name, it creates
// the file BLUE_FAILPOINT_REACHED and waits BLUE_FAILPOINT_WAIT (a Go
// duration, a minute if unset) for whoever watches the file to kill the process.
func At(name string) {
	if os.Getenv("BLUE_FAILPOINT") != name {
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
