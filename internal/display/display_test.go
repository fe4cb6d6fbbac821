package display

import "testing"

func TestPrintable(t *testing.T) {
	const bad = "a\x1b[31m\x9b\u009bb\u202ec\u2066d\u061ce\rf\x00g\x7f\thi\nj"
	if got, want := Printable(bad), "a\ufffd[31m\ufffd\ufffdb\ufffdc\ufffdd\ufffde\ufffdf\ufffdg\ufffd\thi\nj"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
	if got, want := OneLine("a\nb\u2028c\td\x1be"), "a b c d\ufffde"; got != want {
		t.Errorf("%q; want %q", got, want)
	}
}

func TestShorten(t *testing.T) {
	for _, c := range []struct {
		text string
		n    int
		want string
	}{{"größe", 0, "größe"}, {"größe", 5, "größe"}, {"größe", 4, "grö…"}, {"größe", 1, "…"}} {
		if got := Shorten(c.text, c.n); got != c.want {
			t.Errorf("%q to %d: %q; want %q", c.text, c.n, got, c.want)
		}
	}
}

func TestJoin(t *testing.T) {
	if got := Join([]int{1, 2, 3}, ", "); got != "1, 2, 3" {
		t.Error(got)
	}
}

func TestCount(t *testing.T) {
	for n, want := range []string{"0 wrapped keys", "1 wrapped key", "2 wrapped keys"} {
		if got := Count(n, "wrapped key"); got != want {
			t.Errorf("%q; want %q", got, want)
		}
	}
}
