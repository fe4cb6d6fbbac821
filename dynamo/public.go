package dynamo

import (
	"strings"

	"github.com/superviber/blue-encrypted-store/record"
)

// public takes the store's own attributes off a record.
func public(r record.Record) record.Record {
	for name := range r.Attrs {
		if strings.HasPrefix(name, "_") {
			c := r.Clone()
			for name := range r.Attrs {
				if strings.HasPrefix(name, "_") {
					delete(c.Attrs, name)
				}
			}
			return c
		}
	}
	return r
}

func publicAll(records []record.Record) []record.Record {
	for i, r := range records {
		records[i] = public(r)
	}
	return records
}
