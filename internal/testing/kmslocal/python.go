package kmslocal

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// probe imports what the server needs, and prints moto's version.
const probe = "import moto, moto.server, moto.kms.models, moto.s3.models, moto.sts.models; print(moto.__version__)"

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

// installed returns the Python of a virtual environment with moto in
// cache/moto/VERSION, made the first time (150 MB).
func installed(ctx context.Context, cache string) (python string, err error) {
	if cache == "" {
		return "", errors.New("no cache folder")
	}
	venv := filepath.Join(cache, "moto", Version)
	err = localserver.FillOnce(ctx, venv, inside(""), func(made string) error { return install(ctx, made) })
	return inside(venv), err
}

// install makes an environment that will be moved: Python finds its own files
// from where it is started.
func install(ctx context.Context, made string) error {
	system, err := python3()
	if err != nil {
		return err
	}
	if text, err := localserver.Output(ctx, 2*time.Minute, system, "-m", "venv", made); err != nil {
		return fmt.Errorf("python3 cannot make a virtual environment (python3-venv is missing?): %w\n%s", err, localserver.LastLines(text, 5))
	}
	python := inside(made)
	if text, err := localserver.Output(ctx, 10*time.Minute, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "moto[server]=="+Version); err != nil {
		return fmt.Errorf("pip cannot install moto[server]==%s: %w\n%s", Version, err, localserver.LastLines(text, 10))
	}
	_, err = imports(ctx, python)
	return err
}

func inside(venv string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(venv, "Scripts", "python.exe")
	}
	return filepath.Join(venv, "bin", "python")
}
