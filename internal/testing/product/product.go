// Package product reports which Go files of a checkout ship.
//
// Tests, suites for implementations, test tools and developers' tools do not
// ship. The package knows the folders of the present layout and of the layout
// before test tools moved to internal/testing, so that both can be measured
// alike.
package product

import (
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The tests of other packages run the suites.
var suites = []string{"storetest", "record/recordtest", "keys/keystest"}

// parents are folders whose packages do not ship.
var parents = []string{"internal/testing", "tools"}

// earlier are the folders of test tools before they moved to internal/testing
// and tools.
var earlier = []string{
	"internal/arrows", "internal/campaign", "internal/campaigntest", "internal/cloudcampaign", "internal/cloudsuite", "internal/docs",
	"internal/dynamolocal", "internal/dynamotest", "internal/faultproxy", "internal/keyscampaign", "internal/kmsfault", "internal/kmslocal",
	"internal/kmstest", "internal/localserver", "internal/refcost", "internal/sealedtest", "internal/shareddata", "internal/testrule",
	"cmd/local-dynamodb", "cmd/setup-tables", "cmd/measure-memory",
}

// IsSuite reports whether a folder contains a suite for implementations.
func IsSuite(dir string) bool { return slices.Contains(suites, dir) }

// Ships reports whether the package in a folder ships. The folder is relative
// to the root of the checkout, with slashes.
func Ships(dir string) bool {
	for ; dir != "." && dir != "/" && dir != ""; dir = path.Dir(dir) {
		if slices.Contains(suites, dir) || slices.Contains(parents, dir) || slices.Contains(earlier, dir) {
			return false
		}
	}
	return true
}

// Files returns the paths of the Go files below a folder that ship, relative to
// it and in order. It skips hidden folders and test data.
func Files(root string) ([]string, error) {
	var files []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if rel != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || !Ships(rel)) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(rel) == ".go" && !strings.HasSuffix(rel, "_test.go") {
			files = append(files, rel)
		}
		return nil
	})
	return files, err
}
