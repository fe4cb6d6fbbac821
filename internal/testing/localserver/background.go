package localserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// Background is a server that outlives the process that started it. Its
// watcher is a process that runs the same executable with watcherVariable set.
// These files are in its folder:
//
//	running      locked by the watcher while it runs
//	start        locked by a process that starts a server
//	users        locked, shared, by each process that uses the server (Share)
//	server.json  {"pid": 4711, "endpoint": "http://127.0.0.1:8000", "how": "jar 2.6.1"}
//	server.log   output of the server
//
// The system releases the locks of a process that ends, so a crashed watcher
// or user leaves nothing that must be repaired.
type Background struct {
	PID      int    `json:"pid"` // of the watcher
	Endpoint string `json:"endpoint"`
	How      string `json:"how"`

	dir string
}

// OpenBackground returns the server that runs in a folder, nil if none runs.
func OpenBackground(dir string) (*Background, error) {
	path := filepath.Join(dir, "server.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	unlock, err := tryLock(filepath.Join(dir, "running"))
	if unlock != nil {
		unlock()
		return nil, nil // its watcher crashed
	}
	b := &Background{dir: dir}
	if err == nil {
		err = json.Unmarshal(text, b)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return b, nil
}

// StartBackground starts a program in a folder, or finds it running there, and
// returns when it answers. With idle > 0 the server ends when no process has
// shared it for that time. program is called if no server runs. started
// reports whether a server was started.
func StartBackground(ctx context.Context, dir string, idle time.Duration, program func() (*Program, error)) (b *Background, started bool, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, false, err
	}
	unlock, err := Lock(ctx, filepath.Join(dir, "start"))
	if err != nil {
		return nil, false, err
	}
	defer unlock()
	if b, err := OpenBackground(dir); err != nil || b != nil {
		return b, false, err
	}
	p, err := program()
	if err != nil {
		return nil, false, err
	}
	b, err = launch(ctx, watcher{p, dir, idle})
	return b, err == nil, err
}

// Share returns the server of a folder and starts it if none runs. The server
// runs at least until this process ends or calls Stop.
func Share(ctx context.Context, dir string, idle time.Duration, program func() (*Program, error)) (*Server, error) {
	if !filepath.IsAbs(dir) {
		return nil, errors.New("no cache folder")
	}
	if !canShare {
		p, err := program()
		if err != nil {
			return nil, err
		}
		return p.Start(ctx)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockShared(ctx, filepath.Join(dir, "users"))
	if err != nil {
		return nil, err
	}
	b, _, err := StartBackground(ctx, dir, idle, program)
	if err != nil {
		unlock()
		return nil, err
	}
	return &Server{Endpoint: b.Endpoint, How: b.How, stop: unlock}, nil
}

// Stop ends the server and waits for its end.
func (b *Background) Stop(ctx context.Context) error {
	current, err := OpenBackground(b.dir)
	if current == nil || err != nil {
		return err
	}
	if err := terminate(current.PID); err != nil {
		return fmt.Errorf("stopping process %d: %w", current.PID, err)
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	unlock, err := Lock(ctx, filepath.Join(b.dir, "running"))
	if err == nil {
		unlock()
	}
	return err
}

// BackgroundLog returns the end of a folder's log, or why it cannot be read.
func BackgroundLog(dir string) string {
	log, err := os.Open(filepath.Join(dir, "server.log"))
	if err != nil {
		return err.Error()
	}
	defer log.Close()
	return Tail(log)
}

// RemoveBackground removes the files of a stopped server and the given files
// of its data, and then the folder if it is empty. It returns what it removed.
func RemoveBackground(dir string, data ...string) ([]string, error) {
	var removed []string
	for _, name := range append(data, "server.json", "server.log", "running", "start", "users", ".") {
		path := filepath.Join(dir, name)
		err := os.Remove(path)
		switch {
		case err == nil:
			removed = append(removed, path)
		case name == ".": // the folder has other files
		case !errors.Is(err, fs.ErrNotExist):
			return removed, err
		}
	}
	return removed, nil
}

// watcherVariable has the watcher, as JSON, in the environment of its process.
const watcherVariable = "BLUE_LOCAL_SERVER_WATCHER"

// environment is that of the start of this process: a test may change its own.
var environment = os.Environ()

func init() {
	text := os.Getenv(watcherVariable)
	if text == "" {
		return
	}
	os.Unsetenv(watcherVariable)
	var w watcher
	err := json.Unmarshal([]byte(text), &w)
	if err == nil {
		err = w.run()
	}
	if err != nil {
		json.NewEncoder(os.Stdout).Encode(started{Error: err.Error()})
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// watcher runs the server of a folder.
type watcher struct {
	Program *Program
	Dir     string
	Idle    time.Duration
}

// started is the one line that a watcher prints when it has started a server.
type started struct {
	Background
	Error string `json:"error,omitempty"`
}

// launch starts a watcher and waits until its server answers.
func launch(ctx context.Context, w watcher) (*Background, error) {
	text, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(w.Dir, "server.log"), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(self)
	cmd.Env = append(environment[:len(environment):len(environment)], watcherVariable+"="+string(text))
	cmd.Stderr = log
	detach(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { cmd.Process.Kill() })()
	answer := started{Background: Background{dir: w.Dir}}
	err = json.NewDecoder(out).Decode(&answer)
	go cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("the watcher of %s ended: %w\n%s", w.Program.Name, err, Tail(log))
	case answer.Error != "":
		return nil, errors.New(answer.Error)
	}
	return &answer.Background, nil
}

// run starts the server, reports it and returns when the server has ended.
func (w watcher) run() error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	unlock, err := Lock(ctx, filepath.Join(w.Dir, "running"))
	if err != nil {
		return err
	}
	defer unlock()
	path := filepath.Join(w.Dir, "server.json")
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	server, err := w.Program.start(ctx, os.Stderr)
	if err != nil {
		return err
	}
	defer server.Stop()
	text, err := json.Marshal(Background{PID: os.Getpid(), Endpoint: server.Endpoint, How: server.How})
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(path+".new", text, 0o600), os.Rename(path+".new", path)); err != nil {
		return err
	}
	os.Stdout.Write(append(text, '\n'))
	os.Stdout.Close()
	release, err := w.wait(ctx, server)
	if err != nil {
		return err
	}
	defer release()
	return os.Remove(path)
}

// wait returns when the server must end: after a signal or the idle time. It
// returns an error if the server ended by itself. No process starts to use the
// server between the end of the idle time and release.
func (w watcher) wait(ctx context.Context, server *Server) (release func(), err error) {
	lastUse := time.Now()
	for {
		select {
		case <-ctx.Done():
			return func() {}, nil
		case <-server.process.ended:
			return nil, fmt.Errorf("%s ended by itself: %v", w.Program.Name, server.process.reason)
		case <-time.After(min(time.Second, max(w.Idle/4, pause))):
		}
		if w.Idle == 0 {
			continue
		}
		unlock, err := tryLock(filepath.Join(w.Dir, "users"))
		switch {
		case err != nil:
			return nil, err
		case unlock == nil:
			lastUse = time.Now()
		case time.Since(lastUse) < w.Idle:
			unlock()
		default:
			return unlock, nil
		}
	}
}
