// Package pythonenv finds a Python 3 with the packages that some tests need,
// and makes the virtual environment that has them. Which packages these are,
// and at which version, is in scripts/requirements.txt.
package pythonenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
)

// Find returns a Python 3 that can run a program, such as "import moto". It
// tries the python3 of PATH and then the virtual environment in the cache.
func Find(ctx context.Context, cache, program string) (string, error) {
	system, err := exec.LookPath("python3")
	if err != nil {
		system, err = "", errors.New("python3 is not installed")
	} else if err = check(ctx, system, program); err == nil {
		return system, nil
	}
	own := Path(cache, "python")
	if _, missing := os.Stat(own); missing != nil {
		return "", err
	}
	if err := check(ctx, own, program); err != nil {
		return "", err
	}
	return own, nil
}

func check(ctx context.Context, python, program string) error {
	if text, err := localserver.Output(ctx, time.Minute, python, "-B", "-c", program); err != nil {
		return fmt.Errorf("%s cannot run %q: %w: %s", python, program, err, localserver.LastLines(text, 1))
	}
	return nil
}

// Path returns the path of a program of the virtual environment in the cache.
// The program may be missing.
func Path(cache, name string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(cache, "venv", "Scripts", name+".exe")
	}
	return filepath.Join(cache, "venv", "bin", name)
}

// Install makes the virtual environment in the cache unless it has the
// packages of scripts/requirements.txt (300 MB).
func Install(ctx context.Context, cache, root string) error {
	if cache == "" {
		return errors.New("no cache folder")
	}
	requirements := filepath.Join(root, "scripts", "requirements.txt")
	text, err := os.ReadFile(requirements)
	if err != nil {
		return err
	}
	venv := filepath.Join(cache, "venv")
	return localserver.FillOnce(ctx, venv, "requirements.txt", string(text), func() error {
		python, err := exec.LookPath("python3")
		if err != nil {
			return errors.New("python3 is not installed")
		}
		if text, err := localserver.Output(ctx, 2*time.Minute, python, "-m", "venv", venv); err != nil {
			return fmt.Errorf("python3 cannot make a virtual environment (is python3-venv installed?): %w\n%s", err, localserver.LastLines(text, 5))
		}
		text, err := localserver.Output(ctx, 15*time.Minute, Path(cache, "python"), "-m", "pip", "install", "--quiet",
			"--disable-pip-version-check", "--requirement", requirements)
		if err != nil {
			return fmt.Errorf("pip cannot install scripts/requirements.txt: %w\n%s", err, localserver.LastLines(text, 10))
		}
		return nil
	})
}
