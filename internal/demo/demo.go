// Package demo contains one complete example dialogue: a panel discusses whether
// references between entities should be stored inline or as separate items.
//
// The folder source/ has the layout that package importer reads, so the
// demonstration uses the same code as every import. It has three rounds, six
// experts, every kind of entity, and a final verdict. The numbers in it are
// computed from published limits of DynamoDB. None is a measurement.
package demo

import (
	"embed"
	"io/fs"
)

//go:embed source
var source embed.FS

// FS returns the folder of the dialogue, for importer.ReadFolder. It panics if the
// embedded folder is missing.
func FS() fs.FS {
	folder, err := fs.Sub(source, "source")
	if err != nil {
		panic("demo: " + err.Error()) // the name is a constant and valid
	}
	return folder
}
