package kmslocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/localserver"
)

// probe imports what the server needs, and prints moto's version.
const probe = "import moto, moto.server, moto.kms.models, moto.s3.models, moto.sts.models; print(moto.__version__)"

// importable is Python 3 as it is, if it has moto.
func importable(ctx context.Context, _ Options) (python, how string, err error) {
	python, err = python3()
	if err != nil {
		return "", "", err
	}
	version, err := imports(ctx, python)
	if err != nil {
		return "", "", err
	}
	return python, "moto " + version + " of " + python, nil
}

func python3() (string, error) {
	path, err := exec.LookPath("python3")
	if err != nil {
		return "", errors.New("python3 is not installed")
	}
	return path, nil
}

// imports returns the version of moto that a Python has.
func imports(ctx context.Context, python string) (string, error) {
	text, err := localserver.Output(ctx, time.Minute, python, "-c", probe)
	if err != nil {
		return "", fmt.Errorf("%s cannot import moto: %w: %s", python, err, localserver.LastLines(text, 1))
	}
	return strings.TrimSpace(text), nil
}

// installed is a virtual environment with moto in cache/moto/VERSION, made the
// first time (150 MB). The folder appears whole by one rename, so it is
// complete if it is there; processes that start at once wait for one
// installation. A full folder needs neither pip nor network.
func installed(ctx context.Context, o Options) (python, how string, err error) {
	if o.Cache == "" {
		return "", "", errors.New("moto: no cache folder")
	}
	home := filepath.Join(o.Cache, "moto")
	venv := filepath.Join(home, Version)
	python, how = inside(venv), "moto "+Version+" in the cache"
	if complete(venv) {
		return python, how, nil
	}
	system, err := python3()
	if err != nil {
		return "", "", fmt.Errorf("moto: %w", err)
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return "", "", err
	}
	unlock, err := localserver.Lock(ctx, filepath.Join(home, "lock"))
	if err != nil {
		return "", "", err
	}
	defer unlock()
	if complete(venv) {
		return python, how, nil
	}
	if err := install(ctx, system, home, venv); err != nil {
		return "", "", fmt.Errorf("moto: %w", err)
	}
	return python, how, nil
}

// install makes the environment beside its place and moves it there: Python
// finds its own files from where it is started, so it may be moved.
func install(ctx context.Context, system, home, venv string) error {
	temp, err := os.MkdirTemp(home, "install-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	made := filepath.Join(temp, "venv")
	if text, err := localserver.Output(ctx, 2*time.Minute, system, "-m", "venv", made); err != nil {
		return fmt.Errorf("python3 cannot make a virtual environment (python3-venv is missing?): %w\n%s", err, localserver.LastLines(text, 5))
	}
	python := inside(made)
	if text, err := localserver.Output(ctx, 10*time.Minute, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "moto[server]=="+Version); err != nil {
		return fmt.Errorf("pip cannot install moto[server]==%s: %w\n%s", Version, err, localserver.LastLines(text, 10))
	}
	if _, err := imports(ctx, python); err != nil {
		return err
	}
	// A folder that is not complete was left by nobody here; make way.
	if err := os.RemoveAll(venv); err != nil {
		return err
	}
	return os.Rename(made, venv)
}

func inside(venv string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(venv, "Scripts", "python.exe")
	}
	return filepath.Join(venv, "bin", "python")
}

func complete(venv string) bool {
	_, err := os.Stat(inside(venv))
	return err == nil
}
