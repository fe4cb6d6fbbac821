// Command demo-svg draws the output of "blue-store demo" as an SVG picture for
// the README.
//
// It runs the program of this checkout with an empty BLUE_HOME and replaces the
// parts of the output that differ between two runs: the temporary folder becomes
// "~", and every time becomes 2026-01-01T09:00:00. The picture is therefore the
// same on every machine until the program or its demo changes.
//
// It does not decide what the demo prints. That is in cmd/blue-store.
//
//	demo-svg [-o FILE]
//
// Run it in the root of a checkout. Exit codes: 0 written, 1 failed, 2 usage.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

func main() {
	output := flag.String("o", filepath.Join("docs", "demo.svg"), "the `FILE` to write")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := write(context.Background(), ".", *output); err != nil {
		fmt.Fprintln(os.Stderr, "demo-svg:", err)
		os.Exit(1)
	}
}

// write runs the demo of the checkout at root and stores the picture at path.
func write(ctx context.Context, root, path string) error {
	shown, err := demo(ctx, root)
	if err != nil {
		return err
	}
	return os.WriteFile(path, picture(shown), 0o644)
}

// demo runs the demo of the checkout at root. It returns the normalised output
// up to the line that reports the verification.
func demo(ctx context.Context, root string) ([]string, error) {
	home, err := os.MkdirTemp("", "demo-svg-")
	if err != nil {
		return nil, fmt.Errorf("creating a home: %w", err)
	}
	defer func() { _ = os.RemoveAll(home) }() // a temporary folder
	c := exec.CommandContext(ctx, "go", "run", "./cmd/blue-store", "demo")
	c.Dir = root
	c.Env = environment(os.Environ(), home)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("running the demo: %w\n%s", err, stderr.Bytes())
	}
	return normalise(string(out), home)
}

// environment returns the variables for the demo. It removes the settings of
// blue-store and AWS from the environment of this process, and adds a BLUE_HOME.
func environment(all []string, home string) []string {
	var kept []string
	for _, v := range all {
		if !strings.HasPrefix(v, "BLUE_") && !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "DYNAMODB_") {
			kept = append(kept, v)
		}
	}
	return append(kept, "BLUE_HOME="+filepath.Join(home, ".blue"), "BLUE_USER=ada")
}

// timestamp matches a time as the demo prints it, cut to the width of a column.
var timestamp = regexp.MustCompile(`\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}`)

// normalise replaces the parts of the output that differ between two runs. It
// drops the lines after the verification, which repeat commands of the README.
func normalise(output, home string) ([]string, error) {
	output = strings.ReplaceAll(output, home, "~")
	output = timestamp.ReplaceAllString(output, "2026-01-01T09:00:00.000000")
	shown := []string{"$ blue-store demo"}
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, " \n")
		shown = append(shown, line)
		if strings.HasPrefix(line, "verified: ") {
			return shown, nil
		}
	}
	return nil, fmt.Errorf("the demo printed no verification:\n%s", output)
}

// Sizes of the picture in pixels.
const (
	charWidth  = 7.8
	lineHeight = 18
	margin     = 16
)

// picture draws each line as one text element. textLength keeps the columns
// aligned with every monospaced font.
func picture(shown []string) []byte {
	widest := 0
	for _, line := range shown {
		widest = max(widest, utf8.RuneCountInString(line))
	}
	width, height := 2*margin+int(float64(widest)*charWidth), 2*margin+lineHeight*len(shown)
	var b bytes.Buffer
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n", width, height, width, height)
	b.WriteString("<!-- written by tools/demo-svg; do not edit -->\n<title>Output of blue-store demo</title>\n" +
		"<rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"#0d1117\"/>\n" +
		"<g font-family=\"ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"13\" fill=\"#e6edf3\">\n")
	for i, line := range shown {
		if line == "" {
			continue
		}
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" textLength=\"%.1f\" lengthAdjust=\"spacingAndGlyphs\" xml:space=\"preserve\"%s>%s</text>\n",
			margin, margin+lineHeight*(i+1)-5, float64(utf8.RuneCountInString(line))*charWidth, fill(line), escape.Replace(line))
	}
	b.WriteString("</g>\n</svg>\n")
	return b.Bytes()
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// fill returns the attributes of a line: green for a success, blue for the
// headings of the two columns, bold for the command.
func fill(line string) string {
	switch {
	case strings.HasPrefix(line, "$ "):
		return ` font-weight="bold"`
	case strings.HasPrefix(line, "✓ "), strings.HasPrefix(line, "verified: "):
		return ` fill="#7ee787"`
	case strings.HasPrefix(line, "what the store holds"):
		return ` fill="#79c0ff"`
	}
	return ""
}
