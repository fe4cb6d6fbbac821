// Command phrases prints how many phrases of the style guide's list each
// package and document of a checkout has.
//
//	go run ./tools/phrases [-C DIR] [-list] [-check] [PATH...]
//
// A PATH limits the report to a package or document and all below it.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/superviber/blue-encrypted-store/internal/testing/language"
)

func main() {
	root := flag.String("C", ".", "the `DIR` to read: the root of a checkout")
	list := flag.Bool("list", false, "print each phrase with its file and line")
	check := flag.Bool("check", false, "print what breaks the rule, and exit with 1 if anything does")
	flag.Parse()
	counts, err := read(*root, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "phrases:", err)
		os.Exit(2)
	}
	if *list {
		for _, hit := range counts.Sum("", language.Kinds...).Hits {
			fmt.Println(hit)
		}
	}
	report(os.Stdout, counts)
	if failures := counts.Failures(); *check && len(failures) > 0 {
		fmt.Println(strings.Join(failures, "\n"))
		os.Exit(1)
	}
}

// read counts the phrases of the units that are below one of the paths.
func read(root string, paths []string) (language.Counts, error) {
	texts, err := language.Read(root)
	if err != nil || len(paths) == 0 {
		return language.Count(texts), err
	}
	texts = slices.DeleteFunc(texts, func(t language.Text) bool {
		return !slices.ContainsFunc(paths, func(p string) bool {
			p = strings.Trim(strings.TrimPrefix(p, "./"), "/")
			return t.Unit == p || t.File == p || strings.HasPrefix(t.File, p+"/")
		})
	})
	if len(texts) == 0 {
		return nil, fmt.Errorf("there is no text below %s", strings.Join(paths, ", "))
	}
	return language.Count(texts), nil
}

// report prints a table of rates, the rates of each kind, and the counts of
// each marker.
func report(w io.Writer, counts language.Counts) {
	fmt.Fprintln(w, "Phrases per 1,000 words, with the number of phrases")
	fmt.Fprintf(w, "%-44s", "")
	for _, k := range language.Kinds {
		fmt.Fprintf(w, " %14s", k)
	}
	fmt.Fprintf(w, " %14s\n", "Go comments")
	for _, unit := range append(counts.Units(), "") {
		name := unit
		if unit == "" {
			name = "all"
		}
		fmt.Fprintf(w, "%-44s", name)
		for _, k := range language.Kinds {
			fmt.Fprintf(w, " %14s", cell(counts.Sum(unit, k)))
		}
		fmt.Fprintf(w, " %14s\n", cell(counts.Sum(unit, language.Comment, language.TestComment)))
	}
	fmt.Fprintln(w, "\nWords, phrases and semicolons between clauses")
	for _, k := range language.Kinds {
		t := counts.Sum("", k)
		fmt.Fprintf(w, "%-14s %7d words %5d phrases %5.1f per 1,000 %5d semicolons\n", k, t.Words, len(t.Hits), t.Rate(), t.Semicolons)
	}
	fmt.Fprintln(w, "\nPhrases by marker")
	per := map[string]int{}
	for _, h := range counts.Sum("", language.Kinds...).Hits {
		per[h.Marker.Name]++
	}
	for _, m := range language.Markers() {
		if per[m.Name] > 0 {
			fmt.Fprintf(w, "%-16s %5d  %s\n", m.Name, per[m.Name], m.Reason)
		}
	}
}

func cell(t *language.Tally) string {
	if t.Words == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f (%d)", t.Rate(), len(t.Hits))
}
