package dynamolocal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// Background is a server that outlives the process that starts it, in a folder:
//
//	server.json  {"pid": 4711, "endpoint": "http://127.0.0.1:8000", "mark": "…"}
//	server.log   what it prints
//	data/        its tables, kept over stop and start
//	lock         held by whoever starts or stops it
type Background struct {
	PID      int    `json:"pid"`
	Endpoint string `json:"endpoint"`
	Mark     string `json:"mark"` // stands in its command line: a pid alone may be another's by now

	dir string
}

// marked is a property on Java's command line that names the folder.
const marked = "-Dblue.dynamodb.local="

// OpenBackground returns the server of a folder; nil if none runs. What a
// crashed one left is nobody's.
func OpenBackground(ctx context.Context, dir string) (*Background, error) {
	text, err := os.ReadFile(filepath.Join(dir, "server.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b := &Background{dir: dir}
	if err := json.Unmarshal(text, b); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, "server.json"), err)
	}
	if b.PID <= 1 || b.Mark == "" || !strings.Contains(commandLine(ctx, b.PID), b.Mark) {
		return nil, nil
	}
	return b, nil
}

// StartBackground starts the jar in a folder, or finds it running there, and
// returns when it answers. Options: Cache, Port, Ready. started says which.
func StartBackground(ctx context.Context, o Options, dir string) (b *Background, started bool, err error) {
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, false, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return nil, false, err
	}
	unlock, err := localserver.Lock(ctx, filepath.Join(dir, "lock"))
	if err != nil {
		return nil, false, err
	}
	defer unlock()
	if b, err := OpenBackground(ctx, dir); err != nil || b != nil {
		return b, false, err
	}
	_, lib, err := javaAndJar(ctx, o.Cache)
	if err != nil {
		return nil, false, err
	}
	b, err = launch(ctx, o, lib, dir)
	return b, err == nil, err
}

func launch(ctx context.Context, o Options, lib, dir string) (*Background, error) {
	log, err := os.OpenFile(filepath.Join(dir, "server.log"), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	b := &Background{Mark: marked + dir, dir: dir}
	server, pid, err := o.program(lib, o.Port, filepath.Join(dir, "data"), b.Mark).StartDetached(ctx, log)
	if err != nil {
		return nil, fmt.Errorf("jar: %w", err)
	}
	b.PID, b.Endpoint = pid, server.Endpoint
	if err := b.save(); err != nil {
		server.Stop()
		return nil, err
	}
	return b, nil
}

func (b *Background) save() error {
	text, err := json.Marshal(b)
	if err != nil {
		return err
	}
	temp := filepath.Join(b.dir, "server.json.new")
	if err := os.WriteFile(temp, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(temp, filepath.Join(b.dir, "server.json"))
}

// Stop ends the server; its tables stay.
func (b *Background) Stop(ctx context.Context) error {
	unlock, err := localserver.Lock(ctx, filepath.Join(b.dir, "lock"))
	if err != nil {
		return err
	}
	defer unlock()
	if strings.Contains(commandLine(ctx, b.PID), b.Mark) {
		if err := localserver.Terminate(b.PID); err != nil {
			return fmt.Errorf("stopping process %d: %w", b.PID, err)
		}
	}
	return os.Remove(filepath.Join(b.dir, "server.json"))
}

// BackgroundLog returns the end of a folder's log, or why there is none.
func BackgroundLog(dir string) string {
	log, err := os.Open(filepath.Join(dir, "server.log"))
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	return localserver.Tail(log)
}

// RemoveBackground removes what a stopped server left in its folder, by name,
// and the folder if nothing else lies there. It returns what it removed.
func RemoveBackground(dir string) ([]string, error) {
	var removed []string
	data, err := filepath.Glob(filepath.Join(escape(dir), "data", "shared-local-instance.db*"))
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"data", "server.json", "server.json.new", "server.log", "lock"} {
		data = append(data, filepath.Join(dir, name))
	}
	for _, path := range data {
		err := os.Remove(path)
		if err == nil {
			removed = append(removed, path)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return removed, err
		}
	}
	os.Remove(dir) // stays if somebody put something in
	return removed, nil
}

// escape takes the meaning from the letters that Glob knows.
func escape(path string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// commandLine returns a process's command line, "" if there is none.
func commandLine(ctx context.Context, pid int) string {
	if text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline"); err == nil {
		return string(bytes.ReplaceAll(text, []byte{0}, []byte{' '}))
	}
	if _, err := exec.LookPath("ps"); err != nil {
		return ""
	}
	text, err := localserver.Output(ctx, 5*time.Second, "ps", "-ww", "-o", "args=", "-p", strconv.Itoa(pid))
	if err != nil {
		return ""
	}
	return text
}
