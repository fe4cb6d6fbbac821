package record

// The classes of damage to one stored record (blue.Damage).
const (
	DamageChanged    = "changed"     // an attribute or the payload differs
	DamageMissing    = "missing"     // a record that was written is gone
	DamageExtra      = "extra"       // a record that no writer of the store wrote
	DamageRolledBack = "rolled back" // an older version of the record
	DamageMoved      = "moved"       // a record of another key or dialogue
	DamageStripped   = "stripped"    // the MAC is absent or has another length
	DamageMalformed  = "malformed"   // not a sealed record at all
)
