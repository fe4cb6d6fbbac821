package encrypted_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/testing/dialoguetest"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
)

// rewrapper is a provider with a stored key for each user.
type rewrapper struct {
	*localfile.Provider
	err error
}

func (r *rewrapper) RewrapKEK(context.Context, keys.Provider, string) (bool, error) {
	return r.err == nil, r.err
}

// TestRewrap checks the events and errors of Rewrap. The keys themselves are
// tested with KMS, in cmd/blue-store.
func TestRewrap(t *testing.T) {
	ctx, broken := t.Context(), errors.New("broken")
	for name, c := range map[string]struct {
		provider  error
		dialogues []blue.DialogueID
		want      error
		events    []string
	}{
		"success":            {nil, []blue.DialogueID{tea}, nil, []string{"rewrap intent", "rewrap success"}},
		"one dialogue fails": {nil, []blue.DialogueID{"No Id", tea}, blue.ErrInvalid, []string{"rewrap intent", "rewrap failure"}},
		"own key fails":      {broken, []blue.DialogueID{tea}, broken, []string{"rewrap intent", "rewrap failure"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, memory.New())
			f.Fill(3, 5)
			events := &dialoguetest.EventRecorder{Store: f.Records}
			provider := &rewrapper{sealedtest.Key(f.UMK), c.provider}
			s := encrypted.New(events, provider, "ada", audit.NewLog(events, "ada", nil), nil)
			defer s.Close()
			report, err := s.Rewrap(ctx, provider, c.dialogues)
			if !errors.Is(err, c.want) || report.Own != (c.provider == nil) || len(report.Granted) > 0 {
				t.Errorf("%+v, %v", report, err)
			}
			var got []string
			for _, e := range events.Events() {
				got = append(got, strings.Join(strings.Fields(e)[:2], " "))
			}
			if !slices.Equal(got, c.events) {
				t.Errorf("events %q, want %q", got, c.events)
			}
		})
	}
	f := newFixture(t, memory.New())
	f.Fill(3, 5)
	if _, err := f.As("ada").Rewrap(ctx, localfile.Open(f.UMK+".missing", nil), []blue.DialogueID{tea}); !errors.Is(err, blue.ErrSealed) {
		t.Errorf("a missing master key: %v", err)
	}
}
