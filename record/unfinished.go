package record

// Unfinished is the entity_type of a head that only keeps a partition's place
// while it is copied in several commits (internal/copier). The partition holds
// some items of a dialogue and no root: nothing of it may be read.
const Unfinished = "unfinished_copy"

// IsUnfinished reports whether a head is of that kind.
func IsUnfinished(head Record) bool {
	return head.Key.Item == Meta && head.Attrs["entity_type"].Str() == Unfinished
}
