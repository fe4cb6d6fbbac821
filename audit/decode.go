package audit

import "github.com/superviber/blue-encrypted-store/record"

// DecodeEvent reads an event from its record and checks nothing: Intact
// compares the hash, and where it stands is the record's key.
func DecodeEvent(r record.Record) Event { return decodeEvent(r) }
