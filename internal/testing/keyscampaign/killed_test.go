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
	secretText    = "text that other users must not read"
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
	size         int      // entities in each round of the writer
	round        int      // the writer's next one
	entities     int      // number that must be stored
}

// kill kills the command at its n-th step and makes all checks. It returns false
// if the command ended before the kill.
func (k *campaign) kill(t *testing.T, s sweep, n, serial int) bool {
	r := &attempt{campaign: k, sweep: s, t: t, machine: k.fresh(t), guest: []string{"BLUE_USER=" + guestUser},
		size: s.sizes[serial%len(s.sizes)], round: 1, entities: firstRound}
	runner := r.prepare()
	w := r.writer(s.command.name == eraseDialogue, true)
	w.marked.Store(true)
	killed, during := r.runKilled(n, w, runner)
	w.end()
	begun, halfway := r.readByOthers()
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
		t.Logf("a writer of %d entities, then case %d", r.size, serial%3)
	}
	k.count(func(f *figures) {
		if !killed {
			f.Ended++
			return
		}
		f.add(r, w, during)
		if begun {
			f.Begun++
		}
		if halfway {
			f.Halfway++
		}
	})
	return killed
}

// add counts a kill and the writer that ran during it.
func (f *figures) add(r *attempt, w *writer, during bool) {
	f.Kills++
	f.ByCommand[r.command.name]++
	f.ByWay[r.way]++
	if r.kms {
		f.UnderKMS++
	}
	if !during {
		return
	}
	all, registered := &f.DuringSmall, &f.RegisteredSmall
	if r.size == bigRound {
		all, registered = &f.DuringBig, &f.RegisteredBig
	}
	*all++
	if w.registered.Load() > 0 {
		*registered++
	}
	if w.refused.Load() > 0 {
		f.RefusedDuring++
	}
}

// prepare creates the owner's dialogue and, if needed, the guest's own one. It
// returns the environment of the command. For rewrap the guest changes from one
// KMS key to another, and the owner does not.
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

// runKilled runs the command and kills it, and reports whether the writer ran at
// that moment.
func (r *attempt) runKilled(n int, w *writer, runner []string) (killed, during bool) {
	r.t.Helper()
	state, stderr := r.machine.kill(r.way, n, func() { during = w.waitRunning() }, runner, r.args...)
	if code := state.ExitCode(); state.Exited() && code != 0 {
		r.t.Errorf("%s without a kill: exit code %d: %s", r.command.name, code, stderr)
	}
	return !state.Exited(), during
}

// readByOthers reads in other processes. It reports whether an erasure has
// begun, or a rewrap is done in part. At every moment the guest can read each
// dialogue with one of the two KMS keys. The owner can always read a dialogue
// that only the guest loses.
func (r *attempt) readByOthers() (begun, halfway bool) {
	r.t.Helper()
	command := r.command.name
	switch code, _, stderr := r.run(r.owner, "verify", dialogue); {
	case code == exitErased && command == eraseDialogue:
		return true, false
	case code != 0:
		r.t.Errorf("verify after the kill: exit code %d: %s", code, stderr)
	}
	if command == eraseUser { // a process of the guest would get a new name, so the owner reads
		code, _, stderr := r.run(r.owner, "show", guestDialogue)
		if code != exitKey && code != exitErased {
			r.t.Errorf("the owner reads the guest's own dialogue: exit code %d: %s", code, stderr)
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

// again runs the same command, which must exit with 0. If a user was erased and
// the certificate exists, it can also report that the user does not exist.
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

// delivered reports whether the certificate file exists.
func (r *attempt) delivered() bool {
	c, _, _ := r.machine.command("", nil)
	_, err := os.Stat(filepath.Join(c.Dir, certificate))
	return err == nil
}

// ends checks the final state: the texts, their readers, and the log.
func (r *attempt) ends() {
	r.t.Helper()
	switch r.command.name {
	case eraseDialogue:
		r.checkErased(dialogue, title)
		r.writes(true, false, r.alone)
	case eraseUser:
		r.checkWhole()
		r.checkErased(guestDialogue, guestDialogue)
	default:
		r.checkWhole()
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

// checkWhole checks every text of round 0 and of the writers' rounds.
func (r *attempt) checkWhole() {
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

// checkErased checks that no data of a dialogue can be read, also not with the
// certificate, and that its name cannot be used again.
func (r *attempt) checkErased(dialogue, title string) {
	r.t.Helper()
	for _, args := range [][]string{{"verify", dialogue}, {"show", dialogue}, {"dialogue", "create", title}} {
		if code, _, stderr := r.run(r.owner, args...); code != exitErased {
			r.count(func(f *figures) { f.Returned++ })
			r.t.Errorf("%s of an erased dialogue: exit code %d: %s", args[0], code, stderr)
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
