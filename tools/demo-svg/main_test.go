package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPicture checks that docs/demo.svg shows the output of the current program.
func TestPicture(t *testing.T) {
	root := filepath.Join("..", "..")
	shown, err := demo(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	want := picture(shown)
	got, err := os.ReadFile(filepath.Join(root, "docs", "demo.svg"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("docs/demo.svg does not show the output of the program (%v); run go run ./tools/demo-svg\n%s", err, strings.Join(shown, "\n"))
	}
}

func TestNormalise(t *testing.T) {
	const output = "✓ key  new  /tmp/x1/.blue/umk.key\n" +
		"created_at  2031-02-03T04:05:06.123456…\n\nverified: 2 items, version 1\nNext:\n"
	got, err := normalise(output, "/tmp/x1")
	want := []string{"$ blue-store demo", "✓ key  new  ~/.blue/umk.key", "created_at  2026-01-01T09:00:00.000000…", "", "verified: 2 items, version 1"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	if _, err := normalise("✓ key\n", "/tmp/x1"); err == nil {
		t.Error("an output without a verification was accepted")
	}
}

// TestPictureIsXML checks that texts are escaped and that a changed line changes
// the picture.
func TestPictureIsXML(t *testing.T) {
	svg := picture([]string{"$ blue-store demo", "", `a <b> & "c"`})
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := bytes.Count(svg, []byte("<text ")); n != 2 {
		t.Errorf("%d lines are drawn, want 2", n)
	}
	if bytes.Equal(svg, picture([]string{"$ blue-store demo", "", "another text"})) {
		t.Error("two outputs give the same picture")
	}
}

func TestEnvironment(t *testing.T) {
	got := environment([]string{"HOME=/h", "BLUE_STORE=dynamodb", "AWS_REGION=x", "DYNAMODB_ENDPOINT=y"}, "/t")
	if want := []string{"HOME=/h", "BLUE_HOME=" + filepath.Join("/t", ".blue"), "BLUE_USER=ada"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
