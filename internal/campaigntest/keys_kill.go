package campaigntest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/kmstest"
)

// KeysKill is the campaign that kills the commands on keys at their steps, on
// one store: rotate, grant, revoke, rewrap and erase.
//
// A writer of one entity or of 120 comes beside the command that is killed, in
// between, or beside the same command again. After each kill another process
// reads; the same command again ends with 0; nothing readable is lost, nothing
// erased comes back, and the audit log is in order.
type KeysKill struct {
	Figures string   // the name of their file
	Ways    []string // to be killed at a step
	Step    int      // from one kill to the next
	// Machine returns a machine with an empty store of its own.
	Machine func(t *testing.T) KeysMachine

	mu sync.Mutex
	keysFigures
}

// KeysMachine is what differs between the stores.
type KeysMachine interface {
	// Command prepares a run of the program, which writes below the folder
	// it is in; env goes on top of the machine's.
	Command(stdin string, env []string, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer)
	// Kill runs the program and kills it at its n-th step, from 0, if it gets
	// there. It returns how it ended and what it said on standard error.
	Kill(way string, n int, env []string, args ...string) (*os.ProcessState, string)
}

// keysFigures are the figures of the campaign.
type keysFigures struct {
	Kills        int            `json:"kills"`
	ByCommand    map[string]int `json:"kills_by_command"`
	ByWay        map[string]int `json:"kills_by_way"`
	Ended        int            `json:"runs_that_ended_before_the_kill"`
	Begun        int            `json:"erasures_begun_when_killed"`
	Halfway      int            `json:"rewraps_halfway_when_killed"`
	Again        int            `json:"finished_by_the_same_command"`
	Certificates int            `json:"certificates_verified"`
	Small        int            `json:"small_rounds_registered"`
	Big          int            `json:"big_rounds_registered"`
	Told         int            `json:"writers_told_of_the_erasure"`
	Lost         int            `json:"entities_lost"`
	Returned     int            `json:"erased_and_came_back"`
	Findings     int            `json:"audit_findings"`
}

const (
	keysTitle    = "Killed keys"
	keysDialogue = "killed-keys"
	keysOwn      = "own" // the guest's own dialogue
	keysText     = "what nobody else may read"
	keysEntities = 99 // of round 0; more than one commit of a rotation
	keysBigRound = 120

	exitBusy   = 8
	exitErased = 9
)

// keysCommand is a command that is killed. The owner runs it, or the guest.
type keysCommand struct {
	name   string
	shared bool // the guest holds the dialogue before
	may    int  // exit code of the guest's show afterwards
	args   []string
}

var keysCommands = []keysCommand{
	{"erase", true, exitErased, []string{"erase", keysDialogue, "--confirm", keysDialogue, "--output", "killed.cert"}},
	{"rotate", true, 0, []string{"keys", "rotate", keysDialogue}},
	{"grant", false, 0, []string{"keys", "grant", keysDialogue, "ada"}},
	{"revoke", true, 6, []string{"keys", "revoke", keysDialogue, "ada"}},
	{"rewrap", true, 0, []string{"keys", "rewrap"}},
}

// Run runs the campaign.
func (k *KeysKill) Run(t *testing.T) {
	k.ByCommand, k.ByWay = map[string]int{}, map[string]int{}
	t.Run("sweeps", func(t *testing.T) {
		for i, c := range keysCommands {
			for j, way := range k.Ways {
				t.Run(c.name+" "+filepath.Base(way), func(t *testing.T) {
					t.Parallel()
					if c.name == "rewrap" {
						kmstest.Endpoint(t) // or skips
					}
					serial, killed := i+j, true
					for n := j * k.Step / 2; killed && !t.Failed(); n += k.Step {
						t.Run(fmt.Sprint(n), func(t *testing.T) { killed = k.kill(t, c, way, n, serial) })
						serial++
					}
				})
			}
		}
	})
	f := &k.keysFigures
	if !testing.Short() && (f.Kills < 20 || f.Begun == 0 || f.Begun == f.ByCommand["erase"] || f.Small == 0 || f.Big == 0 || f.Told == 0) {
		t.Errorf("the mix proves nothing: %+v", *f)
	}
	if k.Step == 1 && f.Halfway == 0 && f.ByCommand["rewrap"] > 0 {
		t.Error("no rewrap was halfway when it was killed")
	}
	if f.Certificates == 0 {
		t.Error("no certificate was verified")
	}
	Figures(t, k.Figures, f)
}

func (k *KeysKill) count(change func(f *keysFigures)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.keysFigures)
}

// keysKill is one kill.
type keysKill struct {
	*KeysKill
	keysCommand
	t            *testing.T
	machine      KeysMachine
	owner, guest []string // environments
	before       []string // the guest's until rewrap
	size         int      // of the writer's round
	entities     int      // that must be there
}

// kill has the command killed at its n-th step, and checks all else; false if
// it ended by itself. The serial number says who comes when.
func (k *KeysKill) kill(t *testing.T, c keysCommand, way string, n, serial int) bool {
	r := &keysKill{KeysKill: k, keysCommand: c, t: t, machine: k.Machine(t), guest: []string{"BLUE_USER=ada"}, size: 1, entities: keysEntities}
	runner := r.prepare()
	if serial%2 == 0 {
		r.size = keysBigRound
	}
	when := serial % 3
	var killed bool
	r.beside(when == 0, true, func() { killed = r.stopped(way, n, runner) })
	begun, halfway := r.looks()
	if when == 1 {
		r.writes(begun, !begun)
	}
	r.beside(when == 2, !begun, func() { r.again(runner) })
	r.ends()
	if t.Failed() {
		t.Logf("a writer of %d at %d", r.size, when)
	}
	k.count(func(f *keysFigures) {
		if !killed {
			f.Ended++
			return
		}
		f.Kills++
		f.ByCommand[c.name]++
		f.ByWay[way]++
		if begun {
			f.Begun++
		}
		if halfway {
			f.Halfway++
		}
	})
	return killed
}

// prepare makes the owner's dialogue, and returns the environment in which the
// command runs. Only for rewrap do the keys lie in KMS: the guest changes from
// one KMS key to another, and the owner has not yet.
func (r *keysKill) prepare() (runner []string) {
	if r.name == "rewrap" {
		at := func(user, arn string) []string {
			return []string{"BLUE_USER=" + user, "BLUE_KMS_KEY_ARN=" + arn, "AWS_ENDPOINT_URL_KMS=" + kmstest.Endpoint(r.t), "AWS_ACCESS_KEY_ID=" + user, "AWS_SECRET_ACCESS_KEY=not-a-secret-of-anyone"}
		}
		old, next := kmstest.Key(r.t), kmstest.Key(r.t)
		r.owner, r.before, r.guest = at("tester", old), at("ada", old), at("ada", next)
		r.must(r.before, "dialogue", "create", keysOwn)
		runner = r.guest
	}
	r.must(r.owner, "dialogue", "create", keysTitle, "--question", keysText)
	r.registers(0, keysEntities, 0)
	if r.shared {
		r.must(r.owner, "keys", "grant", keysDialogue, "ada")
	}
	return runner
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

// stopped runs the command and kills it.
func (r *keysKill) stopped(way string, n int, runner []string) bool {
	r.t.Helper()
	state, stderr := r.machine.Kill(way, n, runner, r.args...)
	if code := state.ExitCode(); state.Exited() && code != 0 {
		r.t.Errorf("%s by itself: exit code %d: %s", r.name, code, stderr)
	}
	return !state.Exited()
}

// looks has other processes read, and reports whether an erasure has begun, or
// a rewrap is done in part: what the guest reads with one of the two KMS keys,
// they read at every moment.
func (r *keysKill) looks() (begun, halfway bool) {
	r.t.Helper()
	switch code, _, stderr := r.run(r.owner, "verify", keysDialogue); {
	case code == exitErased && r.name == "erase":
		return true, false
	case code != 0:
		r.t.Errorf("verify after the kill: exit code %d: %s", code, stderr)
	}
	if r.name != "rewrap" {
		return false, false
	}
	opened := map[bool]int{}
	for _, id := range []string{keysOwn, keysDialogue} {
		was, _, _ := r.run(r.before, "show", id)
		is, _, stderr := r.run(r.guest, "show", id)
		if was != 0 && is != 0 {
			r.t.Errorf("the guest reads %s with neither key: exit codes %d and %d: %s", id, was, is, stderr)
			r.count(func(f *keysFigures) { f.Lost++ })
		}
		opened[is == 0]++
	}
	return false, len(opened) == 2
}

// writes registers a round, which may be refused for an erasure, or must be.
func (r *keysKill) writes(mayTell, mayLand bool) {
	r.t.Helper()
	switch code := r.registers(1, r.size, exitErased); {
	case code == 0 && mayLand:
		r.entities += r.size
		r.count(func(f *keysFigures) {
			if r.size == keysBigRound {
				f.Big++
			} else {
				f.Small++
			}
		})
	case code == exitErased && mayTell:
		r.count(func(f *keysFigures) { f.Told++ })
	default:
		if code == 0 {
			r.count(func(f *keysFigures) { f.Returned++ })
		}
		r.t.Errorf("a writer: exit code %d", code)
	}
}

// registers registers a round of perspectives and tensions; what is busy is
// tried again. Any exit code but 0 and the other one fails.
func (r *keysKill) registers(round, n, other int) int {
	r.t.Helper()
	data := map[string]any{"score": 1, "title": keysText}
	for _, s := range []struct {
		list, letter, text string
		n                  int
	}{{"perspectives", "P", "content", min(n, 99)}, {"tensions", "T", "description", max(0, n-99)}} {
		var list []map[string]any
		for i := range s.n {
			list = append(list, map[string]any{"local_id": fmt.Sprintf("MUFFIN-%s%03d", s.letter, i), "label": "a label", s.text: fmt.Sprintf("%s %d %s %d", keysText, round, s.letter, i)})
		}
		data[s.list] = list
	}
	text, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		c, _, stderr := r.machine.Command(string(text), r.owner, "dialogue", "round-register", "--dialogue-id", keysDialogue, "--round", fmt.Sprint(round), "--data", "-")
		err := c.Run()
		code := c.ProcessState.ExitCode()
		if code == exitBusy && time.Now().Before(deadline) {
			continue
		}
		if code != 0 && code != other {
			r.t.Errorf("registering round %d: %v: %s", round, err, stderr)
		}
		return code
	}
}

// again runs the same command, which must end with 0.
func (r *keysKill) again(runner []string) {
	r.t.Helper()
	if code, _, stderr := r.run(runner, r.args...); code != 0 {
		r.t.Errorf("%s again: exit code %d: %s", r.name, code, stderr)
		return
	}
	r.count(func(f *keysFigures) { f.Again++ })
}

// ends checks what stands at the end: the texts, who reads them, and the log.
func (r *keysKill) ends() {
	r.t.Helper()
	if r.name == "erase" {
		r.isErased()
	} else {
		r.isWhole()
	}
	if code, _, stderr := r.run(r.guest, "show", keysDialogue); code != r.may {
		r.t.Errorf("the guest: exit code %d, want %d: %s", code, r.may, stderr)
	}
	if r.name == "rewrap" {
		r.must(r.guest, "verify", keysOwn)
	}
	var log struct {
		Verdict  string            `json:"verdict"`
		Found    int               `json:"found"`
		Findings []json.RawMessage `json:"findings"`
	}
	r.decode(r.must(r.owner, "audit", "verify"), &log)
	if log.Found > 0 || log.Verdict == "tampered" {
		r.t.Errorf("the audit log is %s: %s", log.Verdict, log.Findings)
	}
	r.count(func(f *keysFigures) { f.Findings += log.Found })
}

// isWhole looks at every text: those of round 0, and the writer's.
func (r *keysKill) isWhole() {
	r.t.Helper()
	r.must(r.owner, "verify", keysDialogue)
	var doc struct{ Perspectives, Tensions []map[string]any }
	r.decode(r.must(r.owner, "show", keysDialogue), &doc)
	texts := map[any]bool{}
	for _, e := range doc.Perspectives {
		texts[e["content"]] = true
	}
	for _, e := range doc.Tensions {
		texts[e["description"]] = true
	}
	for text := range texts {
		if s, _ := text.(string); !strings.HasPrefix(s, keysText) {
			r.t.Errorf("a text is %q", s)
		}
	}
	if lost := r.entities - len(texts); lost != 0 {
		r.t.Errorf("%d entities are lost of %d", lost, r.entities)
		r.count(func(f *keysFigures) { f.Lost += lost })
	}
}

// isErased checks that nothing of the dialogue can be had, by its certificate
// too, and that its name is not given again.
func (r *keysKill) isErased() {
	r.t.Helper()
	for _, args := range [][]string{{"verify", keysDialogue}, {"show", keysDialogue}, {"dialogue", "create", keysTitle}} {
		if code, _, stderr := r.run(r.owner, args...); code != exitErased {
			r.count(func(f *keysFigures) { f.Returned++ })
			r.t.Errorf("%s of what was erased: exit code %d: %s", args[0], code, stderr)
		}
	}
	r.writes(true, false)
	c, _, _ := r.machine.Command("", nil)
	if _, err := os.Stat(filepath.Join(c.Dir, "killed.cert")); err == nil {
		r.must(r.owner, "erase", "verify", "killed.cert")
		r.count(func(f *keysFigures) { f.Certificates++ })
	}
	err := fs.WalkDir(os.DirFS(c.Dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(c.Dir, path))
		if bytes.Contains(text, []byte(keysText)) {
			r.t.Errorf("%s holds plain text", path)
		}
		return err
	})
	if err != nil {
		r.t.Error(err)
	}
}

// run runs the program to its end.
func (r *keysKill) run(env []string, args ...string) (code int, stdout, stderr string) {
	r.t.Helper()
	c, out, errs := r.machine.Command("", env, args...)
	if err := c.Run(); c.ProcessState == nil {
		r.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// must runs the program and expects exit code 0.
func (r *keysKill) must(env []string, args ...string) string {
	r.t.Helper()
	code, stdout, stderr := r.run(env, args...)
	if code != 0 {
		r.t.Fatalf("%q: exit code %d: %s", args, code, stderr)
	}
	return stdout
}

func (r *keysKill) decode(text string, v any) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		r.t.Fatalf("%v in %.200q", err, text)
	}
}
