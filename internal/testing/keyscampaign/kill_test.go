package keyscampaign

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/kmstest"
)

// campaign kills the commands on keys at their steps on one store: rotate,
// grant, revoke, rewrap, erase of a dialogue and of a user.
//
// In parallel with each killed command a writer registers rounds of one entity
// or of 120 (writer_test.go). It works before the command starts, and one of its
// processes runs when the command dies. In the long form each step of each way
// runs with both sizes, in the others with one of them. A writer also runs
// between the kill and the second run of the command, or in parallel with the
// second run.
//
// After each kill another process reads, and a second run of the command exits
// with 0. No readable entity is lost, no erased data can be read again, and the
// audit log is in order (killed_test.go).
type campaign struct {
	file string                        // of the figures
	ways func(command string) []string // to kill a command at a step
	step int                           // from one kill to the next, 1 in the long form
	most int                           // maximum number of kills of a command in a way, 0 for no limit
	// fresh returns a machine with an empty store.
	fresh func(t *testing.T) machine

	mu sync.Mutex
	figures
}

// machine contains the differences between the stores.
type machine interface {
	// command prepares a run of the program, which writes below its working
	// directory, with env in addition to the machine's environment.
	command(stdin string, env []string, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer)
	// writer is command for a run that writes. It closes begun when the run
	// works in the store. One writer runs at a time.
	writer(stdin string, env []string, args ...string) (c *exec.Cmd, stderr *bytes.Buffer, begun <-chan struct{})
	// kill runs the program and kills it at its n-th step, from 0, after ready
	// has returned. The program can end before that step. kill returns the state
	// of the process and its standard error.
	kill(way string, n int, ready func(), env []string, args ...string) (*os.ProcessState, string)
}

// figures are the figures of the campaign.
type figures struct {
	Kills           int            `json:"kills"`
	DuringSmall     int            `json:"beside_small"`        // a process of a writer of one entity ran when the command was killed
	DuringBig       int            `json:"beside_big"`          // of 120
	RegisteredSmall int            `json:"beside_small_landed"` // and it registered a round after the command had begun
	RegisteredBig   int            `json:"beside_big_landed"`
	RefusedDuring   int            `json:"beside_and_told_of_the_erasure"`
	ByCommand       map[string]int `json:"kills_by_command"`
	ByWay           map[string]int `json:"kills_by_way"`
	UnderKMS        int            `json:"kills_with_keys_in_kms"`
	Ended           int            `json:"runs_that_ended_before_the_kill"`
	Begun           int            `json:"erasures_begun_when_killed"`
	Halfway         int            `json:"rewraps_halfway_when_killed"`
	Again           int            `json:"finished_by_the_same_command"`
	Forgotten       int            `json:"finished_when_killed"` // of a user whose name was already erased, so that no work is left
	Certificates    int            `json:"certificates_verified"`
	Small           int            `json:"small_rounds_registered"`
	Big             int            `json:"big_rounds_registered"`
	Refused         int            `json:"rounds_refused_for_the_erasure"`
	Lost            int            `json:"entities_lost"`
	Returned        int            `json:"erased_and_came_back"`
	Findings        int            `json:"audit_findings"`
}

// minDuring is the number of kills with a running writer that the long form
// requires on each of the two stores.
const minDuring = 100

// command is a command that is killed. The owner or the guest runs it.
type command struct {
	name   string
	shared bool // the guest has access to the dialogue before
	may    int  // exit code of the guest's show afterwards
	args   []string
}

const (
	eraseDialogue = "erase"
	eraseUser     = "erase-user"
	rewrap        = "rewrap"
)

var commands = []command{
	{eraseDialogue, true, exitErased, []string{"erase", dialogue, "--confirm", dialogue, "--output", certificate}},
	{eraseUser, true, exitKey, []string{"erase", "--user", guestUser, "--confirm", guestUser, "--output", certificate}},
	{"rotate", true, 0, []string{"keys", "rotate", dialogue}},
	{"grant", false, 0, []string{"keys", "grant", dialogue, guestUser}},
	{"revoke", true, exitKey, []string{"keys", "revoke", dialogue, guestUser}},
	{rewrap, true, 0, []string{"keys", "rewrap"}},
}

// sweep is a series of kills of one command in one way.
type sweep struct {
	command
	way    string
	name   string // suffix of the name
	sizes  []int  // of the writers' rounds, in turn
	serial int    // of the first kill: selects the first size and the order of the second run
	from   int    // first step
	step   int    // from one step to the next
	most   int    // maximum number of kills, or 0 for no limit
	kms    bool   // keys are in KMS
}

// run runs the campaign.
func (k *campaign) run(t *testing.T) {
	k.ByCommand, k.ByWay = map[string]int{}, map[string]int{}
	t.Run("sweeps", func(t *testing.T) {
		for _, s := range k.sweeps() {
			t.Run(s.command.name+" "+filepath.Base(s.way)+s.name, func(t *testing.T) {
				t.Parallel()
				if s.kms {
					kmstest.Endpoint(t) // skips without a server
				}
				killed := true
				for i := 0; killed && !t.Failed() && (s.most == 0 || i < s.most); i++ {
					n := s.from + i*s.step
					t.Run(fmt.Sprint(n), func(t *testing.T) { killed = k.kill(t, s, n, s.serial+i) })
				}
			})
		}
	})
	k.checkFigures(t)
	campaigntest.Figures(t, k.file, &k.figures)
}

// sweeps returns all series of the campaign. Rewrap runs with KMS only. A few
// kills of the other commands also run with KMS.
func (k *campaign) sweeps() []sweep {
	small, big := []int{1}, []int{bigRound}
	var all []sweep
	for i, c := range commands {
		ways := k.ways(c.name)
		for j, way := range ways {
			s := sweep{command: c, way: way, serial: i + j, step: 1, kms: c.name == rewrap}
			if campaigntest.IsLong() {
				s.name, s.sizes = " small", small
				all = append(all, s)
				s.name, s.sizes, s.serial = " big", big, i+j+1
				all = append(all, s)
				continue
			}
			s.sizes, s.step, s.from, s.most = append(small, big...), k.step, (5*i+j*k.step/len(ways))%k.step, k.most
			all = append(all, s)
		}
		if c.name != rewrap {
			all = append(all, sweep{command: c, way: ways[i%len(ways)], name: " KMS", sizes: append(small, big...), serial: i,
				from: 1 + i, step: 3, most: campaigntest.Length(1, 1, 4), kms: true})
		}
	}
	return all
}

// checkFigures fails a campaign that did not kill at enough different moments.
func (k *campaign) checkFigures(t *testing.T) {
	f := &k.figures
	erasures := f.ByCommand[eraseDialogue] + f.ByCommand[eraseUser]
	if !campaigntest.IsShort() && (f.Kills < 20 || f.Begun == 0 || f.Begun == erasures || f.Refused == 0) {
		t.Errorf("the campaign needs more kills of each kind: %+v", *f)
	}
	if f.DuringSmall+f.DuringBig != f.Kills {
		t.Errorf("a small writer ran during %d and a big one during %d of %d kills", f.DuringSmall, f.DuringBig, f.Kills)
	}
	if !campaigntest.IsShort() && (f.RegisteredSmall == 0 || f.RegisteredBig == 0 || f.RefusedDuring == 0) {
		t.Errorf("during a kill %d small and %d big writers registered a round, and %d were refused because of the erasure", f.RegisteredSmall, f.RegisteredBig, f.RefusedDuring)
	}
	if campaigntest.IsLong() && (f.DuringSmall+f.DuringBig < minDuring || 3*min(f.DuringSmall, f.DuringBig) < f.Kills) {
		t.Errorf("%d small and %d big writers ran during %d kills", f.DuringSmall, f.DuringBig, f.Kills)
	}
	if campaigntest.IsLong() && f.Halfway == 0 && f.ByCommand[rewrap] > 0 {
		t.Error("no rewrap was halfway when it was killed")
	}
	if f.Certificates == 0 {
		t.Error("no certificate was verified")
	}
}

func (k *campaign) count(change func(f *figures)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change(&k.figures)
}
