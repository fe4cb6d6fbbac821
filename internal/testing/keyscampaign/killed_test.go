package keyscampaign

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
)

const (
	title         = "Killed keys"
	dialogue      = "killed-keys"
	guestUser     = "ada"
	guestDialogue = "own" // the guest's own dialogue
	secretText    = "what nobody else may read"
	firstRound    = 99 // of round 0; more than one commit of a rotation
	bigRound      = 120
	certificate   = "killed.cert"

	exitNotFound = 3
	exitKey      = 6
	exitBusy     = 8
	exitErased   = 9
)

// attempt is one kill.
type attempt struct {
	*campaign
	sweep
	t            *testing.T
	machine      machine
	owner, guest []string // environments
	before       []string // the guest's until rewrap
	size         int      // of the writer's rounds
	round        int      // its next one
	entities     int      // that must be there
}

// kill has the command killed at its n-th step, and checks all else; false if
// it ended by itself.
func (k *campaign) kill(t *testing.T, s sweep, n, serial int) bool {
	r := &attempt{campaign: k, sweep: s, t: t, machine: k.fresh(t), guest: []string{"BLUE_USER=" + guestUser},
		size: s.sizes[serial%len(s.sizes)], round: 1, entities: firstRound}
	runner := r.prepare()
	w := r.writer(s.command.name == eraseDialogue, true)
	w.marked.Store(true)
	killed, beside := r.stopped(n, w, runner)
	w.end()
	begun, halfway := r.looks()
	switch erased := begun && s.command.name == eraseDialogue; serial % 3 {
	case 1:
		r.writes(erased, !erased, r.alone)
		r.again(runner)
	case 2:
		w := r.writer(s.command.name == eraseDialogue, !erased)
		r.again(runner)
		w.end()
	default:
		r.again(runner)
	}
	r.ends()
	if t.Failed() {
		t.Logf("a writer of %d; then %d", r.size, serial%3)
	}
	k.count(func(f *figures) {
		if !killed {
			f.Ended++
			return
		}
		f.add(r, w, beside)
		if begun {
			f.Begun++
		}
		if halfway {
			f.Halfway++
		}
	})
	return killed
}

// add counts a kill, and the writer that was beside it.
func (f *figures) add(r *attempt, w *writer, beside bool) {
	f.Kills++
	f.ByCommand[r.command.name]++
	f.ByWay[r.way]++
	if r.kms {
		f.UnderKMS++
	}
	if !beside {
		return
	}
	all, landed := &f.BesideSmall, &f.LandedSmall
	if r.size == bigRound {
		all, landed = &f.BesideBig, &f.LandedBig
	}
	*all++
	if w.landed.Load() > 0 {
		*landed++
	}
	if w.told.Load() > 0 {
		f.ToldBeside++
	}
}

// prepare makes the owner's dialogue and, where they matter, the guest's own, and
// returns the environment in which the command runs. For rewrap the guest changes
// from one KMS key to another, and the owner has not yet.
func (r *attempt) prepare() (runner []string) {
	command := r.command.name
	if r.kms {
		at := func(user, arn string) []string {
			return []string{"BLUE_USER=" + user, "BLUE_KMS_KEY_ARN=" + arn, "AWS_ENDPOINT_URL_KMS=" + kmstest.Endpoint(r.t), "AWS_ACCESS_KEY_ID=" + user, "AWS_SECRET_ACCESS_KEY=not-a-secret-of-anyone"}
		}
		arn := kmstest.Key(r.t)
		r.owner, r.guest = at("tester", arn), at(guestUser, arn)
	}
	r.before, runner = r.guest, r.owner
	if command == rewrap || command == eraseUser {
		r.must(r.guest, "dialogue", "create", guestDialogue, "--question", secretText)
	}
	if command == rewrap {
		next := kmstest.Key(r.t)
		r.guest = append([]string{}, r.guest...)
		for i, v := range r.guest {
			if strings.HasPrefix(v, "BLUE_KMS_KEY_ARN=") {
				r.guest[i] = "BLUE_KMS_KEY_ARN=" + next
			}
		}
		runner = r.guest
	}
	r.must(r.owner, "dialogue", "create", title, "--question", secretText)
	r.registers(0, firstRound, 0, r.alone)
	if r.shared {
		r.must(r.owner, "keys", "grant", dialogue, guestUser)
	}
	return runner
}

// stopped runs the command and kills it, and reports whether the writer was
// beside it then.
func (r *attempt) stopped(n int, w *writer, runner []string) (killed, beside bool) {
	r.t.Helper()
	state, stderr := r.machine.kill(r.way, n, func() { beside = w.beside() }, runner, r.args...)
	if code := state.ExitCode(); state.Exited() && code != 0 {
		r.t.Errorf("%s by itself: exit code %d: %s", r.command.name, code, stderr)
	}
	return !state.Exited(), beside
}

// looks has other processes read, and reports whether an erasure has begun, or
// a rewrap is done in part: what the guest reads with one of the two KMS keys,
// they read at every moment. What only the guest loses the owner reads at every
// moment.
func (r *attempt) looks() (begun, halfway bool) {
	r.t.Helper()
	command := r.command.name
	switch code, _, stderr := r.run(r.owner, "verify", dialogue); {
	case code == exitErased && command == eraseDialogue:
		return true, false
	case code != 0:
		r.t.Errorf("verify after the kill: exit code %d: %s", code, stderr)
	}
	if command == eraseUser { // the owner looks: a process of the guest's would be given a new name
		code, _, stderr := r.run(r.owner, "show", guestDialogue)
		if code != exitKey && code != exitErased {
			r.t.Errorf("the owner and the guest's own dialogue: exit code %d: %s", code, stderr)
		}
		return code == exitErased, false
	}
	if command != rewrap {
		return false, false
	}
	opened := map[bool]int{}
	for _, id := range []string{guestDialogue, dialogue} {
		was, _, _ := r.run(r.before, "show", id)
		is, _, stderr := r.run(r.guest, "show", id)
		if was != 0 && is != 0 {
			r.t.Errorf("the guest reads %s with neither key: exit codes %d and %d: %s", id, was, is, stderr)
			r.count(func(f *figures) { f.Lost++ })
		}
		opened[is == 0]++
	}
	return false, len(opened) == 2
}

// again runs the same command, which must end with 0; or say that there is
// nothing more to do, where a user was erased whose certificate is there.
func (r *attempt) again(runner []string) {
	r.t.Helper()
	delivered := r.delivered()
	switch code, _, stderr := r.run(runner, r.args...); {
	case code == exitNotFound && r.command.name == eraseUser && delivered:
		r.count(func(f *figures) { f.Forgotten++ })
	case code != 0:
		r.t.Errorf("%s again: exit code %d: %s", r.command.name, code, stderr)
	default:
		r.count(func(f *figures) { f.Again++ })
	}
}

// delivered reports whether a certificate lies in its file.
func (r *attempt) delivered() bool {
	c, _, _ := r.machine.command("", nil)
	_, err := os.Stat(filepath.Join(c.Dir, certificate))
	return err == nil
}

// ends checks what stands at the end: the texts, who reads them, and the log.
func (r *attempt) ends() {
	r.t.Helper()
	switch r.command.name {
	case eraseDialogue:
		r.isErased(dialogue, title)
		r.writes(true, false, r.alone)
	case eraseUser:
		r.isWhole()
		r.isErased(guestDialogue, guestDialogue)
	default:
		r.isWhole()
	}
	if code, _, stderr := r.run(r.guest, "show", dialogue); code != r.may {
		r.t.Errorf("the guest: exit code %d, want %d: %s", code, r.may, stderr)
	}
	if r.command.name == rewrap {
		r.must(r.guest, "verify", guestDialogue)
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
	r.count(func(f *figures) { f.Findings += log.Found })
}

// isWhole looks at every text: those of round 0, and the writers'.
func (r *attempt) isWhole() {
	r.t.Helper()
	r.must(r.owner, "verify", dialogue)
	var doc struct{ Perspectives, Tensions []map[string]any }
	r.decode(r.must(r.owner, "show", dialogue), &doc)
	texts := map[any]bool{}
	for _, e := range doc.Perspectives {
		texts[e["content"]] = true
	}
	for _, e := range doc.Tensions {
		texts[e["description"]] = true
	}
	for text := range texts {
		if s, _ := text.(string); !strings.HasPrefix(s, secretText) {
			r.t.Errorf("a text is %q", s)
		}
	}
	if lost := r.entities - len(texts); lost != 0 {
		r.t.Errorf("%d entities are lost of %d", lost, r.entities)
		r.count(func(f *figures) { f.Lost += lost })
	}
}

// isErased checks that nothing of a dialogue can be had, by the certificate too,
// and that its name is not given again.
func (r *attempt) isErased(dialogue, title string) {
	r.t.Helper()
	for _, args := range [][]string{{"verify", dialogue}, {"show", dialogue}, {"dialogue", "create", title}} {
		if code, _, stderr := r.run(r.owner, args...); code != exitErased {
			r.count(func(f *figures) { f.Returned++ })
			r.t.Errorf("%s of what was erased: exit code %d: %s", args[0], code, stderr)
		}
	}
	if r.delivered() {
		r.must(r.owner, "erase", "verify", certificate)
		r.count(func(f *figures) { f.Certificates++ })
	}
	c, _, _ := r.machine.command("", nil)
	err := fs.WalkDir(os.DirFS(c.Dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(c.Dir, path))
		if bytes.Contains(text, []byte(secretText)) {
			r.t.Errorf("%s holds plain text", path)
		}
		return err
	})
	if err != nil {
		r.t.Error(err)
	}
}

// run runs the program to its end.
func (r *attempt) run(env []string, args ...string) (code int, stdout, stderr string) {
	r.t.Helper()
	c, out, errs := r.machine.command("", env, args...)
	if err := c.Run(); c.ProcessState == nil {
		r.t.Fatal(err)
	}
	return c.ProcessState.ExitCode(), out.String(), errs.String()
}

// must runs the program and expects exit code 0.
func (r *attempt) must(env []string, args ...string) string {
	r.t.Helper()
	code, stdout, stderr := r.run(env, args...)
	if code != 0 {
		r.t.Fatalf("%q: exit code %d: %s", args, code, stderr)
	}
	return stdout
}

func (r *attempt) decode(text string, v any) {
	r.t.Helper()
	if err := json.Unmarshal([]byte(text), v); err != nil {
		r.t.Fatalf("%v in %.200q", err, text)
	}
}
