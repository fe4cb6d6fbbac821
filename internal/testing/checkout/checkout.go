// Package checkout finds the root of the checkout for tests.
//
// A test runs in the folder of its package. The root is the nearest folder
// above it that holds go.mod. The paths of source files are not used, because
// a build with -trimpath does not know them.
package checkout

import (
	"os"
	"path/filepath"
)

// root is found before a test can change the working directory.
var root = find()

// Root returns the absolute path of the root of the checkout. It panics
// outside a module.
func Root() string {
	if root == "" {
		panic("checkout: no folder above the working directory has a go.mod")
	}
	return root
}

func find() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
}
