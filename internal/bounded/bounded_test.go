package bounded

import (
	"math"
	"strings"
	"testing"
)

func TestCut(t *testing.T) {
	for _, test := range []struct {
		text string
		most int
		want string
	}{
		{"", 0, ""}, {"abc", 3, "abc"}, {"abcd", 3, "abc…"}, {"aéb", 2, "a…"}, {"🧁🧁", 5, "🧁…"}, {"\x80\x80\x80", 2, "…"},
	} {
		if got := Cut(test.text, test.most, "…"); got != test.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", test.text, test.most, got, test.want)
		}
	}
	if got := Text(strings.Repeat("a", 81)); got != strings.Repeat("a", 80)+"…" {
		t.Errorf("Text keeps %d bytes", len(got))
	}
}

func TestSum(t *testing.T) {
	for _, test := range [][3]int64{
		{1, 2, 3}, {-1, 1, 0},
		{math.MaxInt64, 1, math.MaxInt64}, {math.MinInt64, -1, math.MinInt64},
		{math.MaxInt64, math.MinInt64, -1}, {math.MinInt64, math.MinInt64, math.MinInt64},
	} {
		if got := Sum(test[0], test[1]); got != test[2] {
			t.Errorf("%d + %d = %d, want %d", test[0], test[1], got, test[2])
		}
	}
}
