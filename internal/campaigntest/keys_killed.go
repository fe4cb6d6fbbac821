package campaigntest

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/kmstest"
)

const (
	keysTitle       = "Killed keys"
	keysDialogue    = "killed-keys"
	keysGuest       = "ada"
	keysOwn         = "own" // the guest's own dialogue
	keysText        = "what nobody else may read"
	keysEntities    = 99 // of round 0; more than one commit of a rotation
	keysBigRound    = 120
	keysCertificate = "killed.cert"

	exitNotFound = 3
	exitKey      = 6
	exitBusy     = 8
	exitErased   = 9
)

// keysKill is one kill.
type keysKill struct {
	*KeysKill
	sweep
	t            *testing.T
	machine      KeysMachine
	owner, guest []string // environments
	before       []string // the guest's until rewrap
	size         int      // of the writer's rounds
	round        int      // its next one
	entities     int      // that must be there
}

// kill has the command killed at its n-th step, and checks all else; false if
// it ended by itself.
func (k *KeysKill) kill(t *testing.T, s sweep, n, serial int) bool {
	r := &keysKill{KeysKill: k, sweep: s, t: t, machine: k.Machine(t), guest: []string{"BLUE_USER=" + keysGuest},
		size: s.sizes[serial%len(s.sizes)], round: 1, entities: keysEntities}
	runner := r.prepare()
	w := r.writer(s.keysCommand.name == keysErase, true)
	w.marked.Store(true)
	killed, beside := r.stopped(n, w, runner)
	w.end()
	begun, halfway := r.looks()
	switch erased := begun && s.keysCommand.name == keysErase; serial % 3 {
	case 1:
		r.writes(erased, !erased, r.alone)
		r.again(runner)
	case 2:
		w := r.writer(s.keysCommand.name == keysErase, !erased)
		r.again(runner)
		w.end()
	default:
		r.again(runner)
	}
	r.ends()
	if t.Failed() {
		t.Logf("a writer of %d; then %d", r.size, serial%3)
	}
	k.count(func(f *keysFigures) {
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
func (f *keysFigures) add(r *keysKill, w *keysWriter, beside bool) {
	f.Kills++
	f.ByCommand[r.keysCommand.name]++
	f.ByWay[r.way]++
	if r.kms {
		f.UnderKMS++
	}
	if !beside {
		return
	}
	all, landed := &f.BesideSmall, &f.LandedSmall
	if r.size == keysBigRound {
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
func (r *keysKill) prepare() (runner []string) {
	command := r.keysCommand.name
	if r.kms {
		at := func(user, arn string) []string {
			return []string{"BLUE_USER=" + user, "BLUE_KMS_KEY_ARN=" + arn, "AWS_ENDPOINT_URL_KMS=" + kmstest.Endpoint(r.t), "AWS_ACCESS_KEY_ID=" + user, "AWS_SECRET_ACCESS_KEY=not-a-secret-of-anyone"}
		}
		arn := kmstest.Key(r.t)
		r.owner, r.guest = at("tester", arn), at(keysGuest, arn)
	}
	r.before, runner = r.guest, r.owner
	if command == keysRewrap || command == keysEraseUser {
		r.must(r.guest, "dialogue", "create", keysOwn, "--question", keysText)
	}
	if command == keysRewrap {
		next := kmstest.Key(r.t)
		r.guest = append([]string{}, r.guest...)
		for i, v := range r.guest {
			if strings.HasPrefix(v, "BLUE_KMS_KEY_ARN=") {
				r.guest[i] = "BLUE_KMS_KEY_ARN=" + next
			}
		}
		runner = r.guest
	}
	r.must(r.owner, "dialogue", "create", keysTitle, "--question", keysText)
	r.registers(0, keysEntities, 0, r.alone)
	if r.shared {
		r.must(r.owner, "keys", "grant", keysDialogue, keysGuest)
	}
	return runner
}

// stopped runs the command and kills it, and reports whether the writer was
// beside it then.
func (r *keysKill) stopped(n int, w *keysWriter, runner []string) (killed, beside bool) {
	r.t.Helper()
	state, stderr := r.machine.Kill(r.way, n, func() { beside = w.beside() }, runner, r.args...)
	if code := state.ExitCode(); state.Exited() && code != 0 {
		r.t.Errorf("%s by itself: exit code %d: %s", r.keysCommand.name, code, stderr)
	}
	return !state.Exited(), beside
}

// looks has other processes read, and reports whether an erasure has begun, or
// a rewrap is done in part: what the guest reads with one of the two KMS keys,
// they read at every moment. What only the guest loses the owner reads at every
// moment.
func (r *keysKill) looks() (begun, halfway bool) {
	r.t.Helper()
	command := r.keysCommand.name
	switch code, _, stderr := r.run(r.owner, "verify", keysDialogue); {
	case code == exitErased && command == keysErase:
		return true, false
	case code != 0:
		r.t.Errorf("verify after the kill: exit code %d: %s", code, stderr)
	}
	if command == keysEraseUser { // the owner looks: a process of the guest's would be given a new name
		code, _, stderr := r.run(r.owner, "show", keysOwn)
		if code != exitKey && code != exitErased {
			r.t.Errorf("the owner and the guest's own dialogue: exit code %d: %s", code, stderr)
		}
		return code == exitErased, false
	}
	if command != keysRewrap {
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

// again runs the same command, which must end with 0; or say that there is
// nothing more to do, where a user was erased whose certificate is there.
func (r *keysKill) again(runner []string) {
	r.t.Helper()
	delivered := r.delivered()
	switch code, _, stderr := r.run(runner, r.args...); {
	case code == exitNotFound && r.keysCommand.name == keysEraseUser && delivered:
		r.count(func(f *keysFigures) { f.Forgotten++ })
	case code != 0:
		r.t.Errorf("%s again: exit code %d: %s", r.keysCommand.name, code, stderr)
	default:
		r.count(func(f *keysFigures) { f.Again++ })
	}
}

// delivered reports whether a certificate lies in its file.
func (r *keysKill) delivered() bool {
	c, _, _ := r.machine.Command("", nil)
	_, err := os.Stat(filepath.Join(c.Dir, keysCertificate))
	return err == nil
}

// ends checks what stands at the end: the texts, who reads them, and the log.
func (r *keysKill) ends() {
	r.t.Helper()
	switch r.keysCommand.name {
	case keysErase:
		r.isErased(keysDialogue, keysTitle)
		r.writes(true, false, r.alone)
	case keysEraseUser:
		r.isWhole()
		r.isErased(keysOwn, keysOwn)
	default:
		r.isWhole()
	}
	if code, _, stderr := r.run(r.guest, "show", keysDialogue); code != r.may {
		r.t.Errorf("the guest: exit code %d, want %d: %s", code, r.may, stderr)
	}
	if r.keysCommand.name == keysRewrap {
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

// isWhole looks at every text: those of round 0, and the writers'.
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

// isErased checks that nothing of a dialogue can be had, by the certificate too,
// and that its name is not given again.
func (r *keysKill) isErased(dialogue, title string) {
	r.t.Helper()
	for _, args := range [][]string{{"verify", dialogue}, {"show", dialogue}, {"dialogue", "create", title}} {
		if code, _, stderr := r.run(r.owner, args...); code != exitErased {
			r.count(func(f *keysFigures) { f.Returned++ })
			r.t.Errorf("%s of what was erased: exit code %d: %s", args[0], code, stderr)
		}
	}
	if r.delivered() {
		r.must(r.owner, "erase", "verify", keysCertificate)
		r.count(func(f *keysFigures) { f.Certificates++ })
	}
	c, _, _ := r.machine.Command("", nil)
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
