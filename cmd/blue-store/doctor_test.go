package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestIsOlder(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"3.51.3", "3.51.3", false}, {"3.51.2", "3.51.3", true}, {"3.9.0", "3.51.3", true}, {"3.100.0", "3.51.3", false},
		{"3.51", "3.51.3", true}, {"4.0.0", "3.51.3", false}, {"", "3.51.3", true},
	} {
		if got := isOlder(c.a, c.b); got != c.want {
			t.Errorf("%q older than %q: %v", c.a, c.b, got)
		}
	}
}

func TestOldSQLite(t *testing.T) {
	h := &healthCheck{}
	h.checkSQLite("3.51.2")
	if code, _ := classify(h.worst()); code != exitUnavailable {
		t.Errorf("exit %d; want %d", code, exitUnavailable)
	}
}

// headFile returns the path of the only freshness record.
func (m *machine) headFile() string {
	m.t.Helper()
	found, err := filepath.Glob(filepath.Join(m.home, ".blue", "heads", "*", "*.json"))
	if err != nil || len(found) != 1 {
		m.t.Fatalf("freshness records %q, %v", found, err)
	}
	return found[0]
}

// TestDoctorHeads checks that a freshness record that cannot be read, or that
// belongs to another dialogue, is exit 7 and more severe than an open mode.
func TestDoctorHeads(t *testing.T) {
	for name, text := range map[string]string{
		"cut short":           `{"dialogue":"err`,
		"of another dialogue": `{"dialogue":"other","version":1}`,
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.must("dialogue", "create", "Heads")
			m.must("doctor")
			if err := os.WriteFile(m.headFile(), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(filepath.Join(m.home, ".blue", "keys"), 0o755); err != nil {
				t.Fatal(err)
			}
			o := m.run("doctor", "--text")
			if o.code != exitIntegrity || !strings.Contains(o.stdout, m.headFile()+" cannot be read") {
				t.Errorf("exit %d; want %d\n%s", o.code, exitIntegrity, o.stdout)
			}
			if !strings.Contains(o.stderr, "error: 2 findings\nhint: if you trust the store as it is") {
				t.Errorf("standard error:\n%s", o.stderr)
			}
		})
	}
}

// TestFixFollowsNoLink checks that --fix does not change the target of a
// symbolic link.
func TestFixFollowsNoLink(t *testing.T) {
	m := newMachine(t)
	m.must("dialogue", "create", "Links")
	other := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(other, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, filepath.Join(filepath.Dir(m.headFile()), "link")); err != nil {
		t.Fatal(err)
	}
	m.must("doctor", "--fix")
	info, err := os.Stat(other)
	if err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the mode behind the link is %v, %v", info.Mode(), err)
	}
}

// TestFixNeverWidens checks that --fix adds no permission for the owner.
func TestFixNeverWidens(t *testing.T) {
	m := newMachine(t)
	m.must("dialogue", "create", "Modes")
	head := m.headFile()
	if err := os.Chmod(head, 0o440); err != nil {
		t.Fatal(err)
	}
	m.must("doctor", "--fix")
	info, err := os.Stat(head)
	if err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("the mode is %v, %v; want 0400", info.Mode(), err)
	}
}
