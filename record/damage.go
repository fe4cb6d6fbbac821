package record

// Classes of damage to one stored record (blue.Damage.Class).
const (
	DamageChanged    = "changed"     // DamageChanged is an attribute or payload that differs.
	DamageMissing    = "missing"     // DamageMissing is a record that was written and is missing.
	DamageExtra      = "extra"       // DamageExtra is a record that no writer of the store wrote.
	DamageRolledBack = "rolled back" // DamageRolledBack is an older version of the record.
	DamageMoved      = "moved"       // DamageMoved is a record of another key or dialogue.
	DamageStripped   = "stripped"    // DamageStripped is a MAC that is missing or has another length.
	DamageMalformed  = "malformed"   // DamageMalformed is a record in another form.
)
