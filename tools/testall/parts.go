package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/dynamolocal"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmslocal"
	"github.com/superviber/blue-encrypted-store/internal/testing/localserver"
	"github.com/superviber/blue-encrypted-store/internal/testing/pythonenv"
)

// part is something that tests need and that may be missing.
type part struct {
	name string // for people
	skip string // in BLUE_TEST_SKIP
	// find returns how the part was found, or why it is missing.
	find func(ctx context.Context) (how string, err error)
	// debian has the Debian packages of the part: several lists are tried in turn.
	debian [][]string

	err error // of find
}

// partsOf returns all parts. A server runs until this process ends, so that the
// test binaries share it.
func partsOf(root, cache string, mayInstall bool) []*part {
	python := func(ctx context.Context) (string, error) {
		return pythonenv.Find(ctx, cache, "import cryptography")
	}
	parts := []*part{
		{name: "DynamoDB", skip: dynamolocal.Kind.Skip, find: func(ctx context.Context) (string, error) {
			return how(dynamolocal.Find(ctx, dynamolocal.Options{Endpoint: os.Getenv("DYNAMODB_ENDPOINT"),
				Compose: filepath.Join(root, "docker-compose.yml"), Cache: cache}))
		}, debian: [][]string{{"openjdk-17-jre-headless", "maven"}, {"default-jre-headless", "maven"}}},
		{name: "Python comparisons", skip: "python", find: python, debian: [][]string{{"python3", "python3-venv"}}},
		{name: "Recorded data", skip: "shared", find: func(context.Context) (string, error) {
			if os.Getenv("BLUE_TEST_WITHOUT_SHARED") == "1" {
				return "not used, because BLUE_TEST_WITHOUT_SHARED=1", nil
			}
			folder := filepath.Join(filepath.Dir(root), "shared")
			_, err := os.Stat(folder)
			return folder, err
		}},
		{name: "KMS", skip: kmslocal.Kind.Skip, find: func(ctx context.Context) (string, error) {
			o := kmslocal.Options{Endpoint: os.Getenv("BLUE_TEST_KMS_ENDPOINT"), Cache: cache}
			if o.Endpoint == "" {
				o.Endpoint = os.Getenv("AWS_ENDPOINT_URL_KMS")
			}
			if mayInstall {
				o.Root = root
			}
			return how(kmslocal.Find(ctx, o))
		}},
	}
	for name, packages := range map[string][][]string{
		"just": nil, "cfn-lint": nil, // both in scripts/requirements.txt
		"curl": {{"curl"}}, "sqlite3": {{"sqlite3"}}, "docker-compose": {{"docker-compose"}},
	} {
		parts = append(parts, &part{name: name, skip: name, debian: packages, find: func(context.Context) (string, error) {
			path, err := exec.LookPath(name)
			if err != nil {
				return "", errors.New(name + " is not installed")
			}
			return path, nil
		}})
	}
	slices.SortStableFunc(parts[4:], func(a, b *part) int { return strings.Compare(a.name, b.name) })
	return parts
}

func how(server *localserver.Server, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return server.How + ", " + server.Endpoint, nil
}

// find looks for the parts, prints how each was found and returns how many are
// missing. A part that BLUE_TEST_SKIP names is not looked for.
func find(ctx context.Context, parts []*part) (missing int) {
	given := strings.Split(os.Getenv("BLUE_TEST_SKIP"), ",")
	for _, p := range parts {
		how := ""
		if slices.Contains(given, p.skip) {
			p.err = errors.New("BLUE_TEST_SKIP has " + p.skip)
		} else {
			how, p.err = p.find(ctx)
		}
		if p.err != nil {
			missing++
			how = "missing: " + oneLine(p.err)
		}
		fmt.Printf("%-19s %s\n", p.name, how)
	}
	return missing
}

// oneLine returns an error on one line.
func oneLine(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "; ")
}

// install installs the Debian packages of missing parts and the Python packages.
// It prints what fails: the part is then missing.
func install(ctx context.Context, parts []*part, cache, root string) {
	updated := false
	for _, p := range parts {
		if p.debian == nil || isInstalled(ctx, p, cache) {
			continue
		}
		if err := installDebian(ctx, p.debian, &updated); err != nil {
			fmt.Printf("installing for %s: %s\n", p.name, oneLine(err))
		}
	}
	if err := pythonenv.Install(ctx, cache, root); err != nil {
		fmt.Printf("installing Python packages: %s\n", oneLine(err))
	}
}

// isInstalled reports whether a part needs no Debian package. Python needs one
// if it cannot make the virtual environment.
func isInstalled(ctx context.Context, p *part, cache string) bool {
	if p.skip == "python" {
		if _, err := os.Stat(pythonenv.Path(cache, "python")); err == nil {
			return true
		}
		_, err := localserver.Output(ctx, time.Minute, "python3", "-c", "import ensurepip, venv")
		return err == nil
	}
	_, err := p.find(ctx)
	return err == nil
}

func installDebian(ctx context.Context, alternatives [][]string, updated *bool) error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("apt-get is not on this machine: install " + strings.Join(alternatives[0], " and "))
	}
	if os.Geteuid() != 0 {
		return errors.New("apt-get needs root: apt-get install " + strings.Join(alternatives[0], " "))
	}
	if !*updated {
		if text, err := localserver.Output(ctx, 10*time.Minute, "apt-get", "update", "-qq"); err != nil {
			return fmt.Errorf("apt-get update: %w: %s", err, localserver.LastLines(text, 2))
		}
		*updated = true
	}
	var failed []error
	for _, packages := range alternatives {
		fmt.Printf("installing %s\n", strings.Join(packages, ", "))
		args := append([]string{"DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq", "--no-install-recommends"}, packages...)
		text, err := localserver.Output(ctx, 20*time.Minute, "env", args...)
		if err == nil {
			return nil
		}
		failed = append(failed, fmt.Errorf("apt-get install %s: %w: %s", strings.Join(packages, " "), err, localserver.LastLines(text, 2)))
	}
	return errors.Join(failed...)
}
