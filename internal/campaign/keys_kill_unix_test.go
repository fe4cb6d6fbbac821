//go:build unix

package campaign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/campaigntest"
)

// keysKillFigures are the figures of the campaign.
type keysKillFigures struct {
	Kills        int            `json:"kills"`
	ByCommand    map[string]int `json:"kills_by_command"`
	AtMark       map[string]int `json:"kills_at_mark"`
	Ended        int            `json:"runs_that_ended_before_the_kill"`
	Begun        int            `json:"erasures_begun_when_killed"`
	Again        int            `json:"finished_by_the_same_command"`
	Certificates int            `json:"certificates_verified"`
	Small        int            `json:"small_rounds_registered"`
	Big          int            `json:"big_rounds_registered"`
	Told         int            `json:"writers_told_of_the_erasure"`
	Lost         int            `json:"entities_lost"`
	Returned     int            `json:"erased_and_came_back"`
	Findings     int            `json:"audit_findings"`
}

// keysKills is what all sweeps share.
type keysKills struct {
	template map[string][]byte // the files of a home with the dialogue

	mu sync.Mutex
	keysKillFigures
}

func (k *keysKills) count(change func(f *keysKillFigures)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.keysKillFigures)
}

const (
	keysDialogue = "killed-keys"
	keysEntities = 99 // of round 0; more than one commit of a rotation
	smallRound   = 1
	bigRound     = 120
)

// keysCommand is a command that is killed.
type keysCommand struct {
	name    string
	granted bool // ada holds the dialogue before
	args    []string
}

var keysCommands = []keysCommand{
	{"rotate", true, []string{"keys", "rotate", keysDialogue}},
	{"grant", false, []string{"keys", "grant", keysDialogue, "ada"}},
	{"revoke", true, []string{"keys", "revoke", keysDialogue, "ada"}},
	{"erase", true, []string{"erase", keysDialogue, "--confirm", keysDialogue, "--output", "killed.cert"}},
}

// TestKeysKill kills rotate, grant, revoke and erase before and after each of
// their commits, while a writer comes, of one entity or of 120: beside the
// command that is killed, in between, or beside the same command again. After
// each kill another process reads; the same command again ends with 0; nothing
// readable is lost, nothing erased comes back, and the audit log is in order.
func TestKeysKill(t *testing.T) {
	k := &keysKills{keysKillFigures: keysKillFigures{ByCommand: map[string]int{}, AtMark: map[string]int{}}}
	template := newWorld(t)
	template.must("dialogue", "create", "Killed keys", "--question", canary)
	template.registers(0, keysEntities, 0)
	k.template = files(t, template.home)
	step := campaigntest.Length(5, 1, 1)
	t.Run("sweeps", func(t *testing.T) {
		for _, c := range keysCommands {
			for _, mark := range []string{beforeCommit, afterCommit} {
				t.Run(c.name+" "+filepath.Base(mark), func(t *testing.T) {
					t.Parallel()
					for n := 0; k.kill(t, c, mark, n) && !t.Failed(); n += step {
					}
				})
			}
		}
	})
	f := &k.keysKillFigures
	if !testing.Short() && (f.Kills < 70 || f.Begun == 0 || f.Begun == f.ByCommand["erase"] || f.Small == 0 || f.Big == 0 || f.Told == 0) {
		t.Errorf("the mix proves nothing: %+v", *f)
	}
	if f.Certificates == 0 {
		t.Error("no certificate was verified")
	}
	campaigntest.Figures(t, "keys-kill-sqlite", f)
}

// keysKill is one kill, in a home of its own.
type keysKill struct {
	*keysKills
	*world
	keysCommand
	mark     string
	n        int
	size     int // of the writer's round
	entities int // that must be there
}

// kill has the command killed at its n-th commit, from 0; false if it ended by
// itself.
func (k *keysKills) kill(t *testing.T, c keysCommand, mark string, n int) bool {
	r := &keysKill{k, newWorld(t), c, mark, n, smallRound, keysEntities}
	for path, text := range k.template {
		path = filepath.Join(r.home, path)
		check(t, os.MkdirAll(filepath.Dir(path), 0o700))
		check(t, os.WriteFile(path, text, 0o600))
	}
	if c.granted {
		r.must("keys", "grant", keysDialogue, "ada")
	}
	if n%3 == 0 {
		r.size = bigRound
	}
	when := n / 3 % 3
	if mark == afterCommit {
		when = (when + 1) % 3
	}

	var killed bool
	r.beside(when == 0, true, func() { killed = r.stopped() })
	begun := r.looks()
	if when == 1 {
		r.writes(begun, !begun)
	}
	r.beside(when == 2, !begun, r.again)
	r.ends()
	if t.Failed() {
		t.Logf("%s at %s of commit %d, a writer of %d at %d", c.name, mark, n, r.size, when)
	}
	k.count(func(f *keysKillFigures) {
		if !killed {
			f.Ended++
			return
		}
		f.Kills++
		f.ByCommand[c.name]++
		f.AtMark[mark]++
		if begun && c.name == "erase" {
			f.Begun++
		}
	})
	return killed
}

// beside runs what is given, with a writer beside it, whose round may land, or
// without.
func (r *keysKill) beside(writer, mayLand bool, do func()) {
	var wg sync.WaitGroup
	defer wg.Wait()
	if writer {
		wg.Go(func() { r.writes(r.name == "erase", mayLand) })
	}
	do()
}

// stopped runs the command and kills it at the mark, if it gets there.
func (r *keysKill) stopped() bool {
	r.t.Helper()
	reached := filepath.Join(r.dir, "reached")
	env := []string{"BLUE_FAILPOINT=" + r.mark, "BLUE_FAILPOINT_SKIP=" + fmt.Sprint(r.n), "BLUE_FAILPOINT_REACHED=" + reached}
	c, _, stderr := r.command(nil, env, r.args...)
	check(r.t, c.Start())
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case <-appears(reached, ended):
		_ = c.Process.Kill()
		<-ended
	case err := <-ended:
		ended <- err
	}
	if code := c.ProcessState.ExitCode(); c.ProcessState.Exited() && code != 0 {
		r.t.Errorf("%s by itself: exit code %d: %s", r.name, code, stderr)
	}
	return !c.ProcessState.Exited()
}

// looks has another process verify the dialogue, and reports whether an
// erasure has begun.
func (r *keysKill) looks() bool {
	r.t.Helper()
	v := r.run("verify", keysDialogue)
	if v.code == 9 && r.name == "erase" {
		return true
	}
	if v.code != 0 {
		r.t.Errorf("verify after the kill: exit code %d: %s %s", v.code, v.stdout, v.stderr)
	}
	return false
}

// writes registers a round, which may be refused for an erasure, or must be.
func (r *keysKill) writes(mayTell, mayLand bool) {
	r.t.Helper()
	w := r.registers(1, r.size, 9)
	switch {
	case w.code == 0 && mayLand:
		r.entities += r.size
		r.count(func(f *keysKillFigures) {
			if r.size == bigRound {
				f.Big++
			} else {
				f.Small++
			}
		})
	case w.code == 9 && mayTell:
		r.count(func(f *keysKillFigures) { f.Told++ })
	default:
		if w.code == 0 {
			r.count(func(f *keysKillFigures) { f.Returned++ })
		}
		r.t.Errorf("a writer: exit code %d: %s", w.code, w.stderr)
	}
}

// registers registers a round of perspectives and tensions; what is busy is
// tried again. Any exit code but 0 and the other one fails.
func (w *world) registers(round, n, other int) result {
	w.t.Helper()
	data := map[string]any{"score": 1, "title": canary}
	for _, s := range []struct {
		list, letter, text string
		n                  int
	}{{"perspectives", "P", "content", min(n, 99)}, {"tensions", "T", "description", max(0, n-99)}} {
		var list []map[string]any
		for i := range s.n {
			list = append(list, map[string]any{"local_id": fmt.Sprintf("MUFFIN-%s%03d", s.letter, i), "label": "a label", s.text: fmt.Sprintf("%s %d %s %d", canary, round, s.letter, i)})
		}
		data[s.list] = list
	}
	text, err := json.Marshal(data)
	check(w.t, err)
	for deadline := time.Now().Add(time.Minute); ; {
		r := w.runWith(string(text), nil, "dialogue", "round-register", "--dialogue-id", keysDialogue, "--round", fmt.Sprint(round), "--data", "-")
		if r.code == 8 && time.Now().Before(deadline) {
			continue
		}
		if r.code != 0 && r.code != other {
			w.t.Errorf("registering round %d: exit code %d: %s", round, r.code, r.stderr)
		}
		return r
	}
}

// again runs the same command, which must end with 0.
func (r *keysKill) again() {
	r.t.Helper()
	if a := r.run(r.args...); a.code != 0 {
		r.t.Errorf("%s again: exit code %d: %s", r.name, a.code, a.stderr)
		return
	}
	r.count(func(f *keysKillFigures) { f.Again++ })
}

// ends checks what stands at the end.
func (r *keysKill) ends() {
	r.t.Helper()
	if r.name == "erase" {
		r.isErased()
	} else {
		r.isWhole()
		r.isShared()
	}
	findings := r.audited(r.t).Found
	r.count(func(f *keysKillFigures) { f.Findings += findings })
}

// isWhole looks at every text: those of round 0, and the writer's.
func (r *keysKill) isWhole() {
	r.t.Helper()
	r.verify(keysDialogue)
	var doc struct{ Perspectives, Tensions []map[string]any }
	decode(r.t, r.must("show", keysDialogue), &doc)
	texts := map[any]bool{}
	for _, e := range doc.Perspectives {
		texts[e["content"]] = true
	}
	for _, e := range doc.Tensions {
		texts[e["description"]] = true
	}
	for text := range texts {
		if s, _ := text.(string); !strings.HasPrefix(s, canary) {
			r.t.Errorf("a text is %q", s)
		}
	}
	if lost := r.entities - len(texts); lost != 0 {
		r.t.Errorf("%d entities are lost of %d", lost, r.entities)
		r.count(func(f *keysKillFigures) { f.Lost += lost })
	}
}

// isShared checks that ada reads if she may, and only then.
func (r *keysKill) isShared() {
	r.t.Helper()
	want := 0
	if r.name == "revoke" {
		want = 6
	}
	if ada := r.runWith("", []string{"BLUE_USER=ada"}, "show", keysDialogue); ada.code != want {
		r.t.Errorf("ada: exit code %d, want %d: %s", ada.code, want, ada.stderr)
	}
}

// isErased checks that nothing of the dialogue can be had, by its certificate
// too, and that its name is not given again.
func (r *keysKill) isErased() {
	r.t.Helper()
	for _, args := range [][]string{{"verify", keysDialogue}, {"show", keysDialogue}, {"dialogue", "create", "Killed keys"}} {
		if x := r.run(args...); x.code != 9 {
			r.count(func(f *keysKillFigures) { f.Returned++ })
			r.t.Errorf("%s of what was erased: exit code %d: %s", args[0], x.code, x.stderr)
		}
	}
	r.writes(true, false)
	if _, err := os.Stat(filepath.Join(r.dir, "killed.cert")); err == nil {
		r.must("erase", "verify", "killed.cert")
		r.count(func(f *keysKillFigures) { f.Certificates++ })
	}
	for path, text := range files(r.t, r.dir) {
		if bytes.Contains(text, []byte(canary)) {
			r.t.Errorf("%s holds plain text", path)
		}
	}
}
