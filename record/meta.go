package record

// Values of entity_type of a meta item that does not belong to a readable
// dialogue.
const (
	// Erased marks a tombstone: the meta item of an erased dialogue. It is
	// kept forever, so that a pending commit of the dialogue fails and its id
	// is never used again.
	Erased = "erased"
	// Unfinished marks a partition that is being copied in several commits
	// (internal/copier). The partition holds some items of a dialogue and no
	// root, so it must not be read.
	Unfinished = "unfinished_copy"
)

// IsErased reports whether a record is the meta item of an erased dialogue.
func IsErased(r Record) bool { return isMeta(r, Erased) }

// IsUnfinished reports whether a record is the meta item of an unfinished copy.
func IsUnfinished(r Record) bool { return isMeta(r, Unfinished) }

func isMeta(r Record, entityType string) bool {
	return r.Key.Item == Meta && r.Attrs["entity_type"].Str() == entityType
}
