// Package demo holds one complete dialogue of the project's own: the panel
// that asks whether references between entities should be stored inline or as
// items of their own.
//
// It lies in source/ as its authors would have left it, in the layout that
// package importer reads, so the demonstration goes the way of every import:
// three rounds, six experts, every kind of entity, a final verdict. Nothing
// else belongs here. The numbers in it are arithmetic over published limits of
// DynamoDB; none is a measurement.
package demo

import (
	"embed"
	"io/fs"
)

//go:embed source
var source embed.FS

// FS returns the dialogue's folder, for importer.ReadFolder.
func FS() fs.FS {
	folder, err := fs.Sub(source, "source")
	if err != nil {
		panic("demo: " + err.Error()) // the name is a constant and valid
	}
	return folder
}
