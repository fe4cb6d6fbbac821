// Package audit stores the audit log of key use: which principal encrypted or
// decrypted which dialogue, when, and with which outcome. The events form hash
// chains, so an edit of a stored event can be detected.
//
// The package defines the event and its bytes, the chains and their leases, the
// time of each checkpoint, the layout of all of them in [record.Audit], and the
// pseudonyms of principals. Other packages do the rest: encrypted decides when
// an event is stored, envelope makes the tags of written items,
// audit/checkpoint defines the bytes of a checkpoint, audit/anchor keeps copies
// outside the store, and audit/auditor verifies a log.
//
// A Log appends the events of one process to its chains. A Lease is the use of a
// chain by one operation, which commits the event together with its data. A
// Directory has the pseudonyms.
//
// # Layout
//
// All records are in table blue_audit. They must not exist when they are put,
// and they are never changed. An event:
//
//	PK  audit#{chain}        chain: 32 lower-case hex digits, random
//	SK  {seq:012d}           1 is the genesis, then without a gap, the last is the close
//
// The commit that stores an encrypt event also stores its pointer, so that a
// reader finds the commits of one dialogue without reading every chain:
//
//	PK  dialogue#{id}
//	SK  {root_version:012d}
//	    chain S, seq N
//
// The commit that stores the genesis, or the first event of a later UTC day,
// also stores a record of the day index, so that a reader finds all chains
// without a Scan:
//
//	PK  chains#{first hex digit of the chain}
//	SK  {YYYY-MM-DD}#{chain}
//	    first N              seq of the chain's first event of that day
//
// A checkpoint is the signed tree over the events 1 … size of a chain:
//
//	PK  checkpoint#{chain}
//	SK  {size:012d}
//	    note S
//
// Events that internal/copier copied from another store keep their chain and
// seq. They have no genesis, index record or checkpoint in the target, and are
// found by their pointers. [Directory] describes its records in blue_keys.
//
// # Commits
//
// The first commit of a chain contains its genesis and index record. An event is
// part of the commit of its data, or has its own commit. Its pointer, and an
// index record if one is needed, are in the same commit. A checkpoint has its
// own commit, except the last one, which is in the commit of the close event. If
// a free chain exists, an operation makes only the commit of its event.
//
// # Hashes
//
// LP(x) is the length of x in 8 bytes, big-endian, then x. The core of an event
// is
//
//	LP("blue/1/event") ‖ LP(event_id) ‖ LP(timestamp) ‖ LP(trace_id) ‖
//	LP(span_id) ‖ LP(operation) ‖ LP(key_id) ‖ LP(principal) ‖ LP(outcome) ‖
//	LP(chain) ‖ LP(seq) ‖ LP(dialogue) ‖ LP(root_version) ‖ LP(item_count) ‖
//	LP(items_digest) ‖ LP(item_names) ‖ LP(item_tags) ‖ LP(error_class) ‖
//	LP(previous_hash)
//
// with numbers in decimal and hashes as stored. Then
//
//	core_hash  = SHA-256(core)
//	event_hash = SHA-256(core ‖ LP(root_hash))
//
// The sealed root of a commit contains the core hash of its event. The root_hash
// of the event is the SHA-256 of the root_sealed bytes. So neither can be
// replaced without the other. The previous_hash is the event_hash of the
// previous event of the chain. The first event has SHA-256("blue/1/chain/" ‖
// chain) instead. All hashes except the items digest are 64 lower-case hex
// digits.
package audit
