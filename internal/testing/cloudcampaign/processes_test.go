package cloudcampaign

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/audit/anchor"
	"github.com/superviber/blue-encrypted-store/audit/auditor"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/testing/campaigntest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/sqlite"
)

// processVariable makes the test binary one process of TestProcesses.
const processVariable = "BLUE_CAMPAIGN_PROCESS"

// process is what one process works on, and how much.
type process struct {
	Name       string `json:"name"`
	SQLite     string `json:"sqlite"` // path, or
	Endpoint   string `json:"endpoint"`
	Prefix     string `json:"prefix"`
	UMK        string `json:"umk"`
	Anchors    string `json:"anchors"`
	Lanes      int    `json:"lanes"` // operations at once
	Operations int    `json:"operations"`
}

// signer is shared here; a client has one of its own.
func signer(context.Context) (*checkpoint.Signer, error) {
	return checkpoint.NewSigner([]byte("the key of a test, 32 bytes long"))
}

func (p process) records(ctx context.Context) (record.Store, error) {
	if p.SQLite != "" {
		return sqlite.Open(ctx, p.SQLite, nil)
	}
	return dynamo.Open(ctx, dynamo.Config{Endpoint: p.Endpoint, Prefix: p.Prefix})
}

// run is the process: each lane commits to a dialogue of its own and loads
// another lane's, by turns. Every acknowledged operation is a line.
func (p process) run(ctx context.Context) error {
	records, err := p.records(ctx)
	if err != nil {
		return err
	}
	defer records.Close()
	log := audit.NewLog(records, p.Name, &audit.Options{Signer: signer, Anchors: []audit.Anchor{anchor.NewDir(p.Anchors)}})
	provider := localfile.Open(p.UMK, nil)
	store := encrypted.New(records, provider, "muffin", log, nil)
	defer store.Close()
	var lanes sync.WaitGroup
	failures := make(chan error, p.Lanes)
	for lane := range p.Lanes {
		lanes.Go(func() { failures <- p.lane(ctx, store, lane) })
	}
	lanes.Wait()
	close(failures)
	var errs []error
	for err := range failures {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, log.Close(ctx))...)
}

func (p process) lane(ctx context.Context, store blue.DialogueStore, lane int) error {
	id := blue.DialogueID(fmt.Sprintf("%s-%d", p.Name, lane))
	if _, err := store.Create(ctx, id, blue.NewDialogue{Title: string(id)}); err != nil {
		return err
	}
	fmt.Println("commit")
	for n := range p.Operations {
		if _, err := store.RegisterExpert(ctx, id, blue.NewExpert{Slug: blue.ExpertSlug(fmt.Sprintf("expert-%d", n)), Role: "r", Tier: "Core", Source: "pool"}); err != nil {
			return err
		}
		fmt.Println("commit")
		if _, err := store.Load(ctx, id); err != nil {
			return err
		}
		fmt.Println("load")
	}
	return nil
}

// processFigures say what the log holds of many processes.
type processFigures struct {
	Processes int    `json:"processes"`
	Lanes     int    `json:"operations_at_once_in_each"`
	Killed    int    `json:"killed"`
	Commits   uint64 `json:"acknowledged_commits"`
	Loads     uint64 `json:"acknowledged_loads"`
	Encrypts  uint64 `json:"encrypt_events"`
	Decrypts  uint64 `json:"decrypt_events"`
	Chains    int    `json:"chains"`
	Events    uint64 `json:"events"`
	Unclosed  int    `json:"unclosed_chains"` // of the killed ones
	Findings  int    `json:"audit_findings"`
}

// TestProcesses: 16 processes with four operations at once each, two of them
// killed on the way. Every chain verifies; each acknowledged operation has its event;
// the killed processes' chains are unclosed and not tampered, the others' are
// proven to their end.
func TestProcesses(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(t *testing.T) process{
		"sqlite": func(t *testing.T) process { return process{SQLite: filepath.Join(t.TempDir(), "blue.db")} },
		"dynamodb": func(t *testing.T) process {
			w := newWorld(t)
			return process{Endpoint: w.endpoint, Prefix: w.prefix}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := at(t)
			p.UMK, p.Anchors = filepath.Join(t.TempDir(), "umk.key"), filepath.Join(t.TempDir(), "anchors")
			p.Lanes, p.Operations = 4, campaigntest.Length(2, 5, 25)
			umk, err := sealedtest.Key(p.UMK).UMK(t.Context())
			check(t, err)
			umk.Destroy()
			records, err := p.records(t.Context()) // made before the processes come
			check(t, err)
			defer records.Close()
			f := &processFigures{Processes: 16, Lanes: p.Lanes}
			var mu sync.Mutex
			var all sync.WaitGroup
			for n := range f.Processes {
				one := p
				one.Name = fmt.Sprintf("process-%d", n)
				kill := 0
				if n%8 == 7 {
					kill = 3 + n // lines
				}
				all.Go(func() {
					commits, loads, killed := one.start(t, kill)
					mu.Lock()
					defer mu.Unlock()
					f.Commits, f.Loads = f.Commits+commits, f.Loads+loads
					if killed {
						f.Killed++
					}
				})
			}
			all.Wait()
			f.check(t, records, p.Anchors)
			campaigntest.Figures(t, "audit-processes-"+name, f)
		})
	}
}

// start runs one process and counts its lines; after kill of them it is killed.
func (p process) start(t *testing.T, kill int) (commits, loads uint64, killed bool) {
	text, err := json.Marshal(p)
	check(t, err)
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return v == "BLUE_FIGURES=1" }), processVariable+"="+string(text))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	check(t, err)
	check(t, c.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch lines.Text() {
		case "commit":
			commits++
		case "load":
			loads++
		}
		if commits+loads == uint64(kill) {
			killed = true
			check(t, c.Process.Kill())
		}
	}
	if err := c.Wait(); err != nil && !killed {
		t.Errorf("%s: %v", p.Name, err)
	}
	return commits, loads, killed
}

func (f *processFigures) check(t *testing.T, records record.Store, anchors string) {
	t.Helper()
	s, err := signer(t.Context())
	check(t, err)
	verifiers, err := checkpoint.ParseVerifiers([]string{s.VerifierKey()})
	check(t, err)
	src := auditor.FromStore(records)
	r, err := auditor.Verify(t.Context(), src, &auditor.Options{Verifiers: verifiers, Anchors: []audit.Anchor{anchor.NewDir(anchors)}})
	check(t, err)
	for _, found := range r.Findings {
		t.Errorf("audit log: %s", found)
	}
	for e, err := range auditor.Events(t.Context(), src, auditor.Filter{Outcome: audit.Success}) {
		check(t, err)
		switch e.Operation {
		case audit.Encrypt:
			f.Encrypts++
		case audit.Decrypt:
			f.Decrypts++
		}
	}
	f.Chains, f.Events, f.Unclosed, f.Findings = r.Chains, r.Events, r.Unclosed, r.Found
	most := uint64(f.Killed * f.Lanes) // operations that were committed but not acknowledged
	if f.Encrypts < f.Commits || f.Decrypts < f.Loads || f.Encrypts+f.Decrypts > f.Commits+f.Loads+2*most {
		t.Errorf("%d commits and %d loads were acknowledged, the log holds %d and %d", f.Commits, f.Loads, f.Encrypts, f.Decrypts)
	}
	if f.Killed != 2 || f.Unclosed < 1 || f.Unclosed > f.Killed*f.Lanes || f.Chains < f.Processes {
		t.Errorf("%+v", f)
	}
}
