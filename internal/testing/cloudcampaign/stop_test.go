package cloudcampaign

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/faultproxy"
)

// size is a round by the number of writes its commit has: the round, two for
// each entity, one for each move, the meta item, the audit event and its pointer.
type size struct{ writes, entities, moves int }

func writes(n int) size {
	s := size{writes: n, entities: min((n-4)/2, 495)}
	s.moves = n - 4 - 2*s.entities
	return s
}

// way is how a writer is stopped at its k-th request.
type way string

const (
	lost          way = "stopped, request lost"          // the process ends
	unheard       way = "stopped, answer lost"           // the process ends
	stray         way = "stopped, request late"          // the process ends; the request comes much later
	cutOff        way = "all lost from here"             // the process lives and gives up
	allLate       way = "all late from here"             // the same, and then all of it comes
	oneUnheard    way = "answer lost, goes on"           // it repeats the request
	oneLate       way = "request late, goes on"          // the same, and the first copy comes after the second
	thriceUnheard way = "three answers lost, goes on"    // its fence finds what it asks for
	thriceLate    way = "three requests late, goes on"   // its fence comes first, then the copies
	asleep        way = "asleep while another commits"   //
	asleepLate    way = "asleep, then woken to old news" // its request before the sleep comes again after it
)

var ways = []way{lost, unheard, stray, cutOff, allLate, oneUnheard, oneLate, thriceUnheard, thriceLate, asleep, asleepLate}

// stop is one run: who is stopped where, and who comes after.
type stop struct {
	size   size
	way    way
	k      int
	second size
	early  bool // late requests come before the second writer, not after
}

func (s stop) String() string {
	return fmt.Sprintf("%d writes, %s, request %d, then %d writes, early=%t", s.size.writes, s.way, s.k, s.second.writes, s.early)
}

// stopFigures are the figures of the campaign.
type stopFigures struct {
	Runs         int            `json:"runs"`
	ByWay        map[way]int    `json:"runs_by_way"`
	BySize       map[int]int    `json:"runs_by_writes_of_the_commit"`
	Requests     map[int]int    `json:"requests_of_an_undisturbed_commit"`
	Whole        int            `json:"whole_round_there"`
	Absent       int            `json:"nothing_there"`
	Acknowledged int            `json:"acknowledged"`
	Failed       map[string]int `json:"failed_with"`
	Released     int            `json:"late_requests_delivered"`
	Torn         int            `json:"torn_rounds"`
	Lost         int            `json:"acknowledged_and_lost"`
	Doubled      int            `json:"doubled"`
	FalseAlarms  int            `json:"false_alarms"`
	Stuck        int            `json:"second_writers_that_failed"`

	auditFigures
}

func newStopFigures() *stopFigures {
	return &stopFigures{ByWay: map[way]int{}, BySize: map[int]int{}, Requests: map[int]int{}, Failed: map[string]int{}}
}

// TestStop stops a writer between any two of its requests, in every way, and
// lets a reader and a second writer come. At every moment the round is whole
// or absent; the second writer commits; each acknowledged write is there, once;
// nothing that was only interrupted is called damage.
func TestStop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := &stopCampaign{world: w, figures: newStopFigures(), clean: w.clean(t)}
	_, err := c.clean.Create(t.Context(), "first", blue.NewDialogue{Title: "first"}) // makes the key
	check(t, err)
	jobs := c.plan(t)
	next := make(chan stop)
	var workers sync.WaitGroup
	for range lanes {
		workers.Go(func() {
			proxy := faultproxy.New(w.endpoint)
			defer proxy.Close()
			for s := range next {
				c.run(t, proxy, s)
			}
		})
	}
	start := time.Now()
	jobs = shuffled(jobs)
	for i, s := range jobs[:min(len(jobs), campaigntest.Length(40, 100, len(jobs)))] {
		next <- s
		if i%100 == 99 {
			t.Logf("%d of %d runs begun", i+1, len(jobs))
		}
	}
	close(next)
	workers.Wait()
	t.Logf("%d runs in %v", c.figures.Runs, time.Since(start).Round(time.Second))
	f := c.figures
	if f.Torn+f.Lost+f.Doubled+f.FalseAlarms+f.Stuck > 0 {
		t.Errorf("torn %d, lost %d, doubled %d, false alarms %d, stuck %d", f.Torn, f.Lost, f.Doubled, f.FalseAlarms, f.Stuck)
	}
	f.auditFigures = w.audited(t)
	campaigntest.Figures(t, "cloud-stop", f)
}

// shuffled spreads sizes and ways over the time, the same each time.
func shuffled(jobs []stop) []stop {
	rng := rand.New(rand.NewPCG(58, 4))
	rng.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	return jobs
}

// stopCampaign is what all runs share.
type stopCampaign struct {
	world  *world
	clean  sealedStore
	serial atomic.Int64

	mu      sync.Mutex
	figures *stopFigures
}

// plan lists the runs: each position of each size in each way. The requests of
// an undisturbed commit are counted first.
func (c *stopCampaign) plan(t *testing.T) []stop {
	t.Helper()
	var jobs []stop
	proxy := faultproxy.New(c.world.endpoint)
	defer proxy.Close()
	for _, n := range []int{99, 100, 101, 290, 2000} {
		id, err := c.create(t.Context())
		check(t, err)
		proxy.Play(nil)
		_, err = c.world.open(t, c.world.records(t, proxy.URL, nil)).RegisterRound(t.Context(), id, batch(1, writes(n).entities, writes(n).moves))
		check(t, err)
		requests := len(proxy.Log())
		c.figures.Requests[n] = requests
		for k := 1; k <= requests; k++ {
			jobs = append(jobs, stopsAt(n, k)...)
		}
	}
	return jobs
}

// stopsAt lists the runs of one position. The largest commit is stopped in
// some of its many places.
func stopsAt(n, k int) []stop {
	var jobs []stop
	for i, way := range ways {
		for _, early := range []bool{true, false} {
			if early && way != stray && way != allLate && way != oneLate && way != thriceLate && way != asleepLate {
				continue
			}
			if n == 2000 && (k*len(ways)+i)%campaigntest.Length(97, 47, 9) != 0 {
				continue
			}
			second := writes(10)
			if (k+i)%4 == 0 {
				second = writes(101)
			}
			jobs = append(jobs, stop{writes(n), way, k, second, early})
		}
	}
	return jobs
}

func (c *stopCampaign) create(ctx context.Context) (blue.DialogueID, error) {
	id := blue.DialogueID(fmt.Sprintf("stopped-%d", c.serial.Add(1)))
	_, err := c.clean.Create(ctx, id, blue.NewDialogue{Title: string(id)})
	return id, err
}
