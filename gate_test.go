package blue

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestConverge(t *testing.T) {
	tests := []struct {
		name   string
		rounds []*RoundRecord
		want   []string
	}{
		{"no rounds", nil, []string{"no rounds registered"}},
		{"no metrics", []*RoundRecord{{}}, []string{"converge_percent=0% (0/0)"}},
		{"both", []*RoundRecord{{OpenTensions: 1, NewPerspectives: 1, PanelSize: 2}},
			[]string{"velocity=2 (open_tensions=1, new_perspectives=1)", "converge_percent=0% (0/2)"}},
		{"rounds up to 100", []*RoundRecord{{ConvergeSignals: 199, PanelSize: 200}}, []string{"converge_percent=100% (199/200)"}},
		{"half to even, down", []*RoundRecord{{ConvergeSignals: 5, PanelSize: 8}}, []string{"converge_percent=62% (5/8)"}},
		{"half to even, up", []*RoundRecord{{ConvergeSignals: 3, PanelSize: 8}}, []string{"converge_percent=38% (3/8)"}},
		{"over the panel", []*RoundRecord{{ConvergeSignals: 5, PanelSize: 2}}, nil},
		{"negative velocity", []*RoundRecord{{OpenTensions: -3, NewPerspectives: 1, ConvergeSignals: 2, PanelSize: 2}}, nil},
		{"the highest round counts, not the last registered",
			[]*RoundRecord{{Round: 5, ConvergeSignals: 1, PanelSize: 1}, {Round: 2, OpenTensions: 9}}, nil},
	}
	for _, test := range tests {
		var got []string
		if gate := (&Snapshot{Rounds: test.rounds}).CheckConvergence(); gate != nil {
			got = gate.Blockers
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestGateErrorUnwraps(t *testing.T) {
	err := (&Snapshot{}).CheckConvergence()
	text, _ := json.Marshal(err)
	if !errors.Is(err, ErrRefused) || !strings.Contains(string(text), `"velocity":-1`) ||
		err.Error() != "refused by a rule: the dialogue has not converged: no rounds registered" {
		t.Errorf("%v %s", err, text)
	}
}

func TestDecimal(t *testing.T) {
	for f, want := range map[Decimal]string{
		0: "0.0", 100: "100.0", 250: "250.0", 500.0 / 6: "83.33333333333333", 0.95: "0.95", -1: "-1.0",
		1e15: "1000000000000000.0", 1e16: "1e16", 1.5e300: "1.5e300", 1e-5: "0.00001", 1.5e-7: "1.5e-7",
	} {
		if f.String() != want {
			t.Errorf("%v: %s, want %s", float64(f), f, want)
		}
	}
	if _, err := json.Marshal(Decimal(math.Inf(1))); err == nil {
		t.Error("an infinite number was written")
	}
}
