package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/superviber/blue-encrypted-store/sqlite"
)

// formatVersion is the version of the stored format (docs/format.md).
const formatVersion = 1

// versionJSON is the answer of version.
type versionJSON struct {
	Version  string `json:"version"`            // of the module, "(devel)" if built in a checkout
	Revision string `json:"revision,omitempty"` // of the checkout
	Modified bool   `json:"modified,omitempty"` // the checkout had changes
	Format   int    `json:"format"`
	Go       string `json:"go"`
	SQLite   string `json:"sqlite"`
	Platform string `json:"platform"`
}

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of the program and of its parts",
		Example: "  blue-store version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			return a.answer(v, func(w io.Writer) { versionText(w, v) })
		},
	}
}

func buildVersion() versionJSON {
	v := versionJSON{
		Version: "(devel)", Format: formatVersion, Go: runtime.Version(), SQLite: sqlite.SQLiteVersion,
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func versionText(w io.Writer, v versionJSON) {
	fmt.Fprintf(w, "blue-store %s\n", v.Version)
	if v.Revision != "" {
		changed := ""
		if v.Modified {
			changed = " with changes"
		}
		fmt.Fprintf(w, "revision %s%s\n", v.Revision, changed)
	}
	fmt.Fprintf(w, "format %d\nsqlite %s\n%s %s\n", v.Format, v.SQLite, v.Go, v.Platform)
}
