package record

import "strings"

// A Partition is a partition key: the name of the group of records that one
// Query reads. It is at most MaxPartition bytes of UTF-8.
//
//	dialogue#{id}    Dialogues: meta and the items of a dialogue
//	                 Audit:     the pointers to its events
//	                 Keys:      its key header and wrapped keys
//	user#{name}      Keys:      what a provider stores for a user
//	audit#{chain}         Audit: the events of one chain
//	checkpoint#{chain}    Audit: the signed checkpoints of one chain
//	chains#{digit}        Audit: the day index of chains that begin with a digit
//
// The audit directory and a store's redo log use partitions of their own.
type Partition string

const (
	dialoguePrefix = "dialogue#"
	userPrefix     = "user#"
	chainPrefix    = "audit#"

	checkpointPrefix = "checkpoint#"
	indexPrefix      = "chains#"
)

// DialoguePartition returns the partition of a dialogue.
func DialoguePartition(id string) Partition { return Partition(dialoguePrefix + id) }

// UserPartition returns the partition of a user's records in Keys.
func UserPartition(user string) Partition { return Partition(userPrefix + user) }

// ChainPartition returns the partition of an audit chain's events.
func ChainPartition(chain string) Partition { return Partition(chainPrefix + chain) }

// CheckpointPartition returns the partition of an audit chain's checkpoints.
func CheckpointPartition(chain string) Partition { return Partition(checkpointPrefix + chain) }

// IndexPartition returns the partition of the day index that lists a chain. Its
// name ends in the first digit of the chain.
func IndexPartition(chain string) Partition { return Partition(indexPrefix + chain[:1]) }

// Dialogue returns the id of the dialogue that the partition belongs to.
func (p Partition) Dialogue() (id string, ok bool) {
	return strings.CutPrefix(string(p), dialoguePrefix)
}

// User returns the name of the user that the partition belongs to.
func (p Partition) User() (name string, ok bool) {
	return strings.CutPrefix(string(p), userPrefix)
}

// Chain returns the id of the audit chain that the partition belongs to.
func (p Partition) Chain() (id string, ok bool) {
	return strings.CutPrefix(string(p), chainPrefix)
}

// IsCheckpoint reports whether the partition holds checkpoints of a chain.
func (p Partition) IsCheckpoint() bool { return strings.HasPrefix(string(p), checkpointPrefix) }

// IsIndex reports whether the partition belongs to the day index of chains.
func (p Partition) IsIndex() bool { return strings.HasPrefix(string(p), indexPrefix) }

// Meta is the sort key of the meta item, which every commit to a partition of
// Dialogues replaces. The condition that it is unchanged since it was read
// makes commits to one partition take turns.
const Meta = "meta"

// A Key addresses one record of a table: a partition and the item inside it.
// Partitions are read in ascending byte order of Item.
type Key struct {
	Partition Partition // at most MaxPartition bytes
	Item      string    // the sort key, at most MaxItem bytes
}

// String returns the partition and the item, separated by a space.
func (k Key) String() string { return string(k.Partition) + " " + k.Item }

// DialogueKey returns the key of an item of a dialogue.
func DialogueKey(dialogue, item string) Key {
	return Key{Partition: DialoguePartition(dialogue), Item: item}
}

// MetaKey returns the key of a dialogue's meta item.
func MetaKey(dialogue string) Key { return DialogueKey(dialogue, Meta) }

// MetaOf returns the meta item among the items of one dialogue, or a zero Record
// if there is none.
func MetaOf(items []Record) Record {
	for _, r := range items {
		if r.Key.Item == Meta {
			return r
		}
	}
	return Record{}
}
