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

// campaign is the campaign that kills the commands on keys at their steps, on
// one store: rotate, grant, revoke, rewrap, erase of a dialogue and of a user.
//
// Beside each command that is killed a writer registers rounds of one entity or
// of 120 (writer_test.go): it was at work before the command began, and one of
// its processes runs when the command dies. In the long form each step of each
// way meets both sizes, in the others one of them. A writer also comes between
// the kill and the same command again, or beside that one. After each kill
// another process reads; the same command again ends with 0; nothing readable is
// lost, nothing erased comes back, and the audit log is in order
// (killed_test.go).
type campaign struct {
	file string                        // of the figures
	ways func(command string) []string // to be killed at a step of a command
	step int                           // from one kill to the next; 1 in the long form
	most int                           // kills of a command in a way; 0 for no limit
	// fresh returns a machine with an empty store of its own.
	fresh func(t *testing.T) machine

	mu sync.Mutex
	figures
}

// machine is what differs between the stores.
type machine interface {
	// command prepares a run of the program, which writes below the folder
	// it is in; env goes on top of the machine's.
	command(stdin string, env []string, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer)
	// writer is command for a run that writes; begun is closed when it is at
	// work in the store. One at a time.
	writer(stdin string, env []string, args ...string) (c *exec.Cmd, stderr *bytes.Buffer, begun <-chan struct{})
	// kill runs the program and kills it at its n-th step, from 0, if it gets
	// there, once ready has returned. It returns how the program ended and
	// what it said on standard error.
	kill(way string, n int, ready func(), env []string, args ...string) (*os.ProcessState, string)
}

// figures are the figures of the campaign.
type figures struct {
	Kills        int            `json:"kills"`
	BesideSmall  int            `json:"beside_small"`        // a process of a writer of one entity ran when the command was killed
	BesideBig    int            `json:"beside_big"`          // of 120
	LandedSmall  int            `json:"beside_small_landed"` // and a round of it was acknowledged after the command had begun
	LandedBig    int            `json:"beside_big_landed"`
	ToldBeside   int            `json:"beside_and_told_of_the_erasure"`
	ByCommand    map[string]int `json:"kills_by_command"`
	ByWay        map[string]int `json:"kills_by_way"`
	UnderKMS     int            `json:"kills_with_keys_in_kms"`
	Ended        int            `json:"runs_that_ended_before_the_kill"`
	Begun        int            `json:"erasures_begun_when_killed"`
	Halfway      int            `json:"rewraps_halfway_when_killed"`
	Again        int            `json:"finished_by_the_same_command"`
	Forgotten    int            `json:"finished_when_killed"` // of a user whose name was gone: there is nothing to finish
	Certificates int            `json:"certificates_verified"`
	Small        int            `json:"small_rounds_registered"`
	Big          int            `json:"big_rounds_registered"`
	Told         int            `json:"rounds_refused_for_the_erasure"`
	Lost         int            `json:"entities_lost"`
	Returned     int            `json:"erased_and_came_back"`
	Findings     int            `json:"audit_findings"`
}

// leastBeside is how many kills the long form wants with a writer beside, on
// each of the two stores.
const leastBeside = 100

// command is a command that is killed. The owner runs it, or the guest.
type command struct {
	name   string
	shared bool // the guest holds the dialogue before
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

// sweep is a row of kills of one command in one way.
type sweep struct {
	command
	way    string
	name   string // what it has beyond those
	sizes  []int  // of the writers' rounds, in turn
	serial int    // of the first kill: which size comes first, and who comes after the kill
	from   int    // step of the first
	step   int    // to the next
	most   int    // kills; 0 for as many as there are steps
	kms    bool   // keys lie in KMS
}

// run runs the campaign.
func (k *campaign) run(t *testing.T) {
	k.ByCommand, k.ByWay = map[string]int{}, map[string]int{}
	t.Run("sweeps", func(t *testing.T) {
		for _, s := range k.sweeps() {
			t.Run(s.command.name+" "+filepath.Base(s.way)+s.name, func(t *testing.T) {
				t.Parallel()
				if s.kms {
					kmstest.Endpoint(t) // or skips
				}
				killed := true
				for i := 0; killed && !t.Failed() && (s.most == 0 || i < s.most); i++ {
					n := s.from + i*s.step
					t.Run(fmt.Sprint(n), func(t *testing.T) { killed = k.kill(t, s, n, s.serial+i) })
				}
			})
		}
	})
	k.judge(t)
	campaigntest.Figures(t, k.file, &k.figures)
}

// sweeps are all rows of the campaign. Rewrap is about KMS alone; of the others
// a few are killed there too.
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

// judge fails a campaign that proves nothing.
func (k *campaign) judge(t *testing.T) {
	f := &k.figures
	erasures := f.ByCommand[eraseDialogue] + f.ByCommand[eraseUser]
	if !campaigntest.IsShort() && (f.Kills < 20 || f.Begun == 0 || f.Begun == erasures || f.Told == 0) {
		t.Errorf("the mix proves nothing: %+v", *f)
	}
	if f.BesideSmall+f.BesideBig != f.Kills {
		t.Errorf("a writer ran beside %d and %d of %d kills", f.BesideSmall, f.BesideBig, f.Kills)
	}
	if !campaigntest.IsShort() && (f.LandedSmall == 0 || f.LandedBig == 0 || f.ToldBeside == 0) {
		t.Errorf("beside a kill %d small and %d big writers were acknowledged, and %d told of the erasure", f.LandedSmall, f.LandedBig, f.ToldBeside)
	}
	if campaigntest.IsLong() && (f.BesideSmall+f.BesideBig < leastBeside || 3*min(f.BesideSmall, f.BesideBig) < f.Kills) {
		t.Errorf("%d small and %d big writers ran beside %d kills", f.BesideSmall, f.BesideBig, f.Kills)
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
