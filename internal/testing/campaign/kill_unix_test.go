//go:build unix

package campaign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
)

// killFigures are the figures of the campaign.
type killFigures struct {
	Entities     int            `json:"entities_per_round"`
	Kills        int            `json:"kills"`
	AtMark       map[string]int `json:"kills_at_mark"`
	Present      int            `json:"whole_round_there"`
	Absent       int            `json:"nothing_there"`
	Torn         int            `json:"torn_rounds"`
	Acknowledged int            `json:"acknowledged"`
	Lost         int            `json:"acknowledged_and_lost"`
	Repeats      int            `json:"registered_again_without_error"`
	Ended        int            `json:"runs_that_ended_before_the_kill"`
	Unverified   int            `json:"verify_findings"`
	PlainBytes   int            `json:"plain_texts_on_disk"`

	AuditCommits  uint64 `json:"audited_commits"` // commits whose write and event match
	AuditFindings int    `json:"audit_findings"`
	Unclosed      int    `json:"unclosed_chains"`

	Seed uint64 `json:"seed"`
}

// add adds the figures of one worker.
func (f *killFigures) add(g *killFigures) {
	for mark, n := range g.AtMark {
		f.AtMark[mark] += n
	}
	f.Kills += g.Kills
	f.Present += g.Present
	f.Absent += g.Absent
	f.Torn += g.Torn
	f.Acknowledged += g.Acknowledged
	f.Lost += g.Lost
	f.Repeats += g.Repeats
	f.Ended += g.Ended
	f.Unverified += g.Unverified
	f.PlainBytes += g.PlainBytes
	f.AuditCommits += g.AuditCommits
	f.AuditFindings += g.AuditFindings
	f.Unclosed += g.Unclosed
}

// TestKill kills round-register at marks and at random moments. After each kill,
// a new process verifies the dialogue. The round is whole or absent, and an
// acknowledged round is present. The same command, run again, completes the
// round. Several workers with separate stores share the kills.
func TestKill(t *testing.T) {
	t.Parallel() // in parallel with TestLocked, which only waits
	const workers = 4
	want := campaigntest.Length(20, 200, 5000)
	program.Path(t)
	sum := &killFigures{Entities: 300, AtMark: map[string]int{}, Seed: 58}
	var each [workers]*killFigures
	t.Run("workers", func(t *testing.T) {
		for n := range workers {
			each[n] = &killFigures{AtMark: map[string]int{}}
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				kills(t, each[n], rand.New(rand.NewPCG(sum.Seed, uint64(n))), n, want/workers)
			})
		}
	})
	for _, f := range each {
		sum.add(f)
	}
	atMarks := sum.Kills - sum.AtMark["random"]
	runs := sum.Present + sum.Absent
	if sum.Kills < want || atMarks < want/4 || sum.Present*10 < runs || sum.Absent*10 < runs {
		t.Errorf("%d kills, %d at marks, %d present, %d absent: the campaign needs more kills of each kind", sum.Kills, atMarks, sum.Present, sum.Absent)
	}
	campaigntest.Figures(t, "kill", sum)
}

// The commits of round-register in order: the genesis of an audit chain, the
// events of the two keys that it opens, the round, the close of the chain.
const (
	roundCommit = 3
	commits     = 5
)

// kills does the work of one worker. Six of ten runs are killed between the
// first write and the return of the commit. The others are killed at a random
// moment of the duration of a whole run.
func kills(t *testing.T, f *killFigures, random *rand.Rand, worker, want int) {
	marks := []string{firstWrite, anyMoment, afterCommit, beforeCommit, anyMoment, afterCommit, firstWrite, anyMoment, afterCommit, anyMoment}
	const roundsEach = 3 // a dialogue is read as a whole each time, so small ones are fast
	whole := 200 * time.Millisecond
	w := newMachine(t)
	d := &killed{w: w, f: f}
	for run := 0; f.Kills < want; run++ {
		if run > 3*want+10 {
			t.Fatalf("%d runs gave %d kills", run, f.Kills)
		}
		if run%roundsEach == 0 {
			d.next(fmt.Sprintf("Killed %d", run/roundsEach))
		}
		mark := marks[(run+worker*3)%len(marks)]
		commit := roundCommit
		if random.IntN(3) == 0 {
			commit = random.IntN(commits)
		}
		a := d.attempt(mark, commit, time.Duration(random.Int64N(int64(whole))))
		if !a.killed {
			whole = (3*whole + a.took) / 4
		}
	}
	d.finish()
	f.auditOf(w)
	for path, text := range files(t, w.dir) {
		if n := bytes.Count(text, []byte(canary)); n > 0 {
			t.Errorf("%s holds plain text %d times", path, n)
			f.PlainBytes += n
		}
	}
}

// killed is the dialogue whose rounds are being killed.
type killed struct {
	w       *machine
	f       *killFigures
	id      string
	round   int    // the next one
	items   int    // of the dialogue as last verified
	version uint64 // of the dialogue as last verified
}

func (d *killed) next(title string) {
	d.w.t.Helper()
	if d.id != "" {
		d.finish()
	}
	var created struct {
		ID string `json:"dialogue_id"`
	}
	decode(d.w.t, d.w.must("dialogue", "create", title, "--question", canary), &created)
	d.id, d.round, d.items, d.version = created.ID, 0, 1, 1
	if items, version := d.state(); items != 1 || version != 1 {
		d.w.t.Fatalf("a new dialogue has %d items, version %d", items, version)
	}
}

// state returns the result of verify in a new process.
func (d *killed) state() (items int, version uint64) {
	d.w.t.Helper()
	v := d.w.verify(d.id)
	if !v.OK || len(v.Dialogues) != 1 {
		d.f.Unverified++
		d.w.t.Fatalf("verify %s: %+v", d.id, v)
	}
	return v.Dialogues[0].Items, v.Dialogues[0].Version
}

// attempt registers the next round and kills it at a mark of one of its commits.
func (d *killed) attempt(mark string, commit int, delay time.Duration) attempt {
	t := d.w.t
	t.Helper()
	data := roundText(d.id, d.round)
	a := d.w.register(d.id, d.round, data, mark, commit, delay)
	items, version := d.state()
	there := items == d.items+roundItems && version == d.version+1
	absent := items == d.items && version == d.version
	if !there && !absent {
		d.f.Torn++
		t.Errorf("round %d of %s: %d items at version %d, before %d at %d", d.round, d.id, items, version, d.items, d.version)
	}
	if a.acknowledged {
		d.f.Acknowledged++
	}
	if a.acknowledged && !there {
		d.f.Lost++
		t.Errorf("round %d of %s was acknowledged and is absent", d.round, d.id)
	}
	if want := commit > roundCommit || commit == roundCommit && mark == afterCommit; mark != anyMoment && there != want {
		t.Errorf("killed at %s of commit %d, the round is present: %t", mark, commit, there)
	}
	if a.killed {
		d.f.count(mark, there)
	} else {
		d.f.Ended++
	}
	d.again(data, there)
	return a
}

// count counts a kill and its result.
func (f *killFigures) count(mark string, there bool) {
	f.Kills++
	if mark == anyMoment {
		mark = "random"
	}
	f.AtMark[mark]++
	if there {
		f.Present++
	} else {
		f.Absent++
	}
}

// again repeats the command, which must complete the round.
func (d *killed) again(data string, there bool) {
	t := d.w.t
	t.Helper()
	r := d.w.runWith(data, nil, "dialogue", "round-register", "--dialogue-id", d.id, "--round", fmt.Sprint(d.round), "--data", "-")
	var answer struct {
		Repeated bool `json:"repeated"`
	}
	if r.code != 0 {
		t.Fatalf("round %d of %s again: exit code %d: %s", d.round, d.id, r.code, r.stderr)
	}
	if decode(t, r.stdout, &answer); answer.Repeated != there {
		t.Errorf("round %d of %s again: repeated is %t, it was present: %t", d.round, d.id, answer.Repeated, there)
	}
	d.f.Repeats++
	d.round, d.items, d.version = d.round+1, d.items+roundItems, d.version+1
}

// auditOf verifies the audit log after the kills. Chains of killed processes are
// unproven, not tampered.
func (f *killFigures) auditOf(w *machine) {
	w.t.Helper()
	l := w.audited(w.t)
	if l.Verdict != "unproven" || l.Unclosed == 0 {
		w.t.Errorf("after kills the audit log is %s, %d chains are unclosed", l.Verdict, l.Unclosed)
	}
	f.AuditFindings += l.Found
	f.AuditCommits += l.Commits
	f.Unclosed += l.Unclosed
}

// finish counts the entities of the dialogue by kind and round, and checks every
// text.
func (d *killed) finish() {
	t := d.w.t
	t.Helper()
	if items, version := d.state(); items != d.items || version != d.version {
		t.Errorf("%s ends with %d items at version %d; want %d at %d", d.id, items, version, d.items, d.version)
	}
	var doc map[string]json.RawMessage
	decode(t, d.w.must("show", d.id), &doc)
	for _, s := range roundSizes {
		var list []map[string]any
		decode(t, string(doc[s.list]), &list)
		if len(list) != s.n*d.round {
			t.Errorf("%s has %d %s; want %d", d.id, len(list), s.list, s.n*d.round)
		}
		seen := map[string]bool{}
		for _, e := range list {
			text, _ := e[s.text].(string)
			if seen[text] || !strings.HasPrefix(text, canary+" "+d.id) {
				t.Errorf("%s: %s contains %.60q, or contains it twice", d.id, s.list, text)
			}
			seen[text] = true
		}
	}
}
