package cloudcampaign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/faultproxy"
)

// keysKillFigures are the figures of the campaign.
type keysKillFigures struct {
	Kills        int            `json:"kills"`
	ByCommand    map[string]int `json:"kills_by_command"`
	Requests     map[string]int `json:"requests_of_a_run_that_is_not_killed"`
	Landed       int            `json:"kills_whose_last_request_landed"`
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

// keysKills is what all lanes share.
type keysKills struct {
	mu sync.Mutex
	keysKillFigures
}

func (k *keysKills) count(change func(f *keysKillFigures)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.keysKillFigures)
}

const (
	keysEntities = 99 // of round 0
	bigKeysRound = 120
)

// TestKeysKill kills rotate, grant, revoke and erase, as processes, at their
// n-th request to DynamoDB: the server gets it, or does not. A writer of one
// entity or of 120 comes beside the command that is killed, in between, or
// beside the same command again. After each kill another process reads; the
// same command again ends with 0; nothing readable is lost, nothing erased
// comes back, and the audit log is in order. The long form kills at every
// request, the others at some.
func TestKeysKill(t *testing.T) {
	k := &keysKills{keysKillFigures: keysKillFigures{ByCommand: map[string]int{}, Requests: map[string]int{}}}
	most := campaigntest.Length(1, 3, 1<<30) // kills of each lane
	t.Run("lanes", func(t *testing.T) {
		for _, name := range []string{"erase", "rotate", "revoke", "grant"} {
			for lane, fault := range []faultproxy.Fault{faultproxy.Lose(), faultproxy.LoseAnswer()} {
				t.Run(fmt.Sprint(name, " ", fault.Kind), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t)
					proxy := faultproxy.New(w.endpoint)
					t.Cleanup(proxy.Close)
					l := &keysLane{keysKills: k, machine: newMachine(t, at(w.endpoint, w.prefix)...), proxy: proxy, name: name, fault: fault}
					l.kill(1 << 30) // never: counts the requests
					k.count(func(f *keysKillFigures) { f.Requests[name] = l.requests })
					step := max(1, l.requests/most)
					for n := 1 + lane*step/2; n <= l.requests && !t.Failed(); n += step {
						l.kill(n)
					}
					t.Logf("%d requests, every %d-th kills", l.requests, step)
					l.audited()
				})
			}
		}
	})
	f := &k.keysKillFigures
	if !testing.Short() && (f.Kills < 20 || f.Begun == 0 || f.Begun == f.ByCommand["erase"] || f.Small == 0 || f.Big == 0 || f.Told == 0) {
		t.Errorf("the mix proves nothing: %+v", *f)
	}
	if f.Certificates == 0 {
		t.Error("no certificate was verified")
	}
	campaigntest.Figures(t, "keys-kill-dynamodb", f)
}

// keysLane is one command with one way to kill it. Its tables and its client
// are its own; each kill has a dialogue.
type keysLane struct {
	*keysKills
	*machine
	proxy    *faultproxy.Proxy
	name     string
	fault    faultproxy.Fault
	requests int // of the last run that ended by itself, or so many as came
	serial   int

	id       string // of the dialogue
	args     []string
	cert     string
	size     int // of the writer's round
	entities int // that must be there
}

// kill has the command killed at its n-th request, and checks all else.
func (l *keysLane) kill(n int) {
	l.serial++
	l.id = fmt.Sprintf("killed-%d", l.serial)
	l.cert = filepath.Join(l.home, l.id+".cert")
	l.args = map[string][]string{
		"rotate": {"keys", "rotate", l.id}, "grant": {"keys", "grant", l.id, "ada"}, "revoke": {"keys", "revoke", l.id, "ada"},
		"erase": {"erase", l.id, "--confirm", l.id, "--output", l.cert},
	}[l.name]
	l.must("dialogue", "create", strings.ReplaceAll(l.id, "-", " "))
	l.registers(0, keysEntities, 0)
	l.size, l.entities = 1, keysEntities
	if l.name != "grant" {
		l.must("keys", "grant", l.id, "ada")
	}
	if l.serial%3 == 0 {
		l.size = bigKeysRound
	}
	when := l.serial / 2 % 3
	var killed bool
	l.beside(when == 0, true, func() { killed = l.stopped(n) })
	begun := l.looks()
	if when == 1 {
		l.writes(begun, !begun)
	}
	l.beside(when == 2, !begun, l.again)
	l.ends()
	if l.t.Failed() {
		l.t.Logf("%s, %s, request %d, a writer of %d at %d", l.name, l.fault.Kind, n, l.size, when)
	}
	l.count(func(f *keysKillFigures) {
		if !killed {
			f.Ended++
			return
		}
		f.Kills++
		f.ByCommand[l.name]++
		if l.fault.Kind == faultproxy.LostAnswer {
			f.Landed++
		}
		if begun && l.name == "erase" {
			f.Begun++
		}
	})
}

// beside runs what is given, with a writer beside it, whose round may land, or
// without.
func (l *keysLane) beside(writer, mayLand bool, do func()) {
	var wg sync.WaitGroup
	defer wg.Wait()
	if writer {
		wg.Go(func() { l.writes(l.name == "erase", mayLand) })
	}
	do()
}

// command prepares a run of the program; env goes on top of the machine's.
func (l *keysLane) command(stdin string, env []string, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	c = exec.Command(program.Path(l.t), args...)
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	c.Env, c.Dir, c.Stdin, c.Stdout, c.Stderr = slices.Concat(l.env, env), l.home, strings.NewReader(stdin), stdout, stderr
	return c, stdout, stderr
}

// stopped runs the command through the proxy and kills it when its n-th request
// comes, before the server gets it.
func (l *keysLane) stopped(n int) bool {
	l.t.Helper()
	c, _, stderr := l.command("", nil, append(slices.Clone(l.args), "--endpoint", l.proxy.URL)...)
	started := make(chan struct{})
	l.proxy.Play(func(r faultproxy.Request) faultproxy.Fault {
		switch {
		case r.N < n:
			return faultproxy.Fault{}
		case r.N > n: // of the dying process
			return faultproxy.Lose()
		}
		<-started
		_ = c.Process.Kill()
		return l.fault
	})
	check(l.t, c.Start())
	close(started)
	_ = c.Wait()
	l.proxy.Settle()
	if c.ProcessState.Exited() {
		l.requests = len(l.proxy.Log())
		if code := c.ProcessState.ExitCode(); code != 0 {
			l.t.Errorf("%s by itself: exit code %d: %s", l.name, code, stderr)
		}
	}
	l.proxy.Play(nil)
	return !c.ProcessState.Exited()
}

// looks has another process verify the dialogue, and reports whether an
// erasure has begun.
func (l *keysLane) looks() bool {
	l.t.Helper()
	v := l.run("verify", l.id)
	if v.code == 9 && l.name == "erase" {
		return true
	}
	if v.code != 0 {
		l.t.Errorf("verify after the kill: exit code %d: %s %s", v.code, v.stdout, v.stderr)
	}
	return false
}

// writes registers a round, which may be refused for an erasure, or must be.
func (l *keysLane) writes(mayTell, mayLand bool) {
	l.t.Helper()
	code, text := l.registers(1, l.size, 9)
	switch {
	case code == 0 && mayLand:
		l.entities += l.size
		l.count(func(f *keysKillFigures) {
			if l.size == bigKeysRound {
				f.Big++
			} else {
				f.Small++
			}
		})
	case code == 9 && mayTell:
		l.count(func(f *keysKillFigures) { f.Told++ })
	default:
		if code == 0 {
			l.count(func(f *keysKillFigures) { f.Returned++ })
		}
		l.t.Errorf("a writer: exit code %d: %s", code, text)
	}
}

// registers registers a round of perspectives and tensions; what is busy is
// tried again. Any exit code but 0 and the other one fails.
func (l *keysLane) registers(round, n, other int) (code int, stderr string) {
	l.t.Helper()
	data := map[string]any{"score": 1}
	for _, s := range []struct {
		list, letter, text string
		n                  int
	}{{"perspectives", "P", "content", min(n, 99)}, {"tensions", "T", "description", max(0, n-99)}} {
		var list []map[string]any
		for i := range s.n {
			list = append(list, map[string]any{"local_id": fmt.Sprintf("MUFFIN-%s%03d", s.letter, i), "label": "a label", s.text: fmt.Sprintf("said %d %s %d", round, s.letter, i)})
		}
		data[s.list] = list
	}
	text, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		c, _, stderr := l.command(string(text), nil, "dialogue", "round-register", "--dialogue-id", l.id, "--round", fmt.Sprint(round), "--data", "-")
		err := c.Run()
		code := c.ProcessState.ExitCode()
		if code == 8 && time.Now().Before(deadline) {
			continue
		}
		if code != 0 && code != other {
			l.t.Errorf("registering round %d: %v: %s", round, err, stderr)
		}
		return code, stderr.String()
	}
}

// again runs the same command, which must end with 0.
func (l *keysLane) again() {
	l.t.Helper()
	if a := l.run(l.args...); a.code != 0 {
		l.t.Errorf("%s again: exit code %d: %s", l.name, a.code, a.stderr)
		return
	}
	l.count(func(f *keysKillFigures) { f.Again++ })
}

// ends checks what stands at the end.
func (l *keysLane) ends() {
	l.t.Helper()
	if l.name == "erase" {
		l.isErased()
		return
	}
	l.must("verify", l.id)
	var doc struct{ Perspectives, Tensions []map[string]any }
	check(l.t, json.Unmarshal([]byte(l.must("show", l.id)), &doc))
	texts := map[any]bool{}
	for _, e := range doc.Perspectives {
		texts[e["content"]] = true
	}
	for _, e := range doc.Tensions {
		texts[e["description"]] = true
	}
	if lost := l.entities - len(texts); lost != 0 {
		l.t.Errorf("%d entities are lost of %d", lost, l.entities)
		l.count(func(f *keysKillFigures) { f.Lost += lost })
	}
	want := 0
	if l.name == "revoke" {
		want = 6
	}
	c, _, stderr := l.command("", []string{"BLUE_USER=ada"}, "show", l.id)
	if err := c.Run(); c.ProcessState.ExitCode() != want {
		l.t.Errorf("ada: %v, want %d: %s", err, want, stderr)
	}
}

// isErased checks that nothing of the dialogue can be had, by its certificate
// too, and that its name is not given again.
func (l *keysLane) isErased() {
	l.t.Helper()
	for _, args := range [][]string{{"verify", l.id}, {"show", l.id}, {"dialogue", "create", strings.ReplaceAll(l.id, "-", " ")}} {
		if x := l.run(args...); x.code != 9 {
			l.count(func(f *keysKillFigures) { f.Returned++ })
			l.t.Errorf("%s of what was erased: exit code %d: %s", args[0], x.code, x.stderr)
		}
	}
	l.writes(true, false)
	if _, err := os.Stat(l.cert); err == nil {
		l.must("erase", "verify", l.cert)
		l.count(func(f *keysKillFigures) { f.Certificates++ })
	}
}

// audited verifies the whole audit log in a new process.
func (l *keysLane) audited() {
	l.t.Helper()
	var log struct {
		Verdict  string            `json:"verdict"`
		Found    int               `json:"found"`
		Findings []json.RawMessage `json:"findings"`
	}
	check(l.t, json.Unmarshal([]byte(l.must("audit", "verify")), &log))
	if log.Found > 0 || log.Verdict == "tampered" {
		l.t.Errorf("the audit log is %s: %s", log.Verdict, log.Findings)
	}
	l.count(func(f *keysKillFigures) { f.Findings += log.Found })
}
