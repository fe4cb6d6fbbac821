package checkpoint

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	blue "github.com/superviber/blue-encrypted-store"
)

const (
	proofHeader = "c2sp.org/tlog-proof@v1"
	maxHashes   = 63       // the depth of a tree of 2^63 leaves
	maxExtra    = 64 << 10 // bytes; an event is a few hundred
)

// Proof shows that one event is in the chain of a checkpoint, to anybody who
// has the event and the public key. Its text is a C2SP tlog-proof
// (c2sp.org/tlog-proof), by custom in a file named *.tlog-proof:
//
//	c2sp.org/tlog-proof@v1
//	extra base64                             may be absent; nobody vouches for it
//	index 254                                the event's seq − 1, decimal
//	gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjg…=     none or more hashes, from the leaf's sibling up
//	                                         empty line
//	blue-encrypted-store/audit/5f0c6d1e…     the checkpoint's note, as it is
//	…
type Proof struct {
	Extra  []byte // what a reader may want beside it; not authenticated
	Index  uint64 // from 0: seq − 1
	Hashes []Hash // RFC 6962, section 2.1.1
	Note   string
}

// String returns the text.
func (p Proof) String() string {
	var b strings.Builder
	b.WriteString(proofHeader + "\n")
	if len(p.Extra) > 0 {
		b.WriteString("extra " + base64.StdEncoding.EncodeToString(p.Extra) + "\n")
	}
	writeHashes(&b, "index", p.Index, p.Hashes, p.Note)
	return b.String()
}

// ParseProof reads the text of a proof and proves nothing yet. ErrTampered if
// it is not the text that String returns.
func ParseProof(text string) (Proof, error) {
	rest, ok := strings.CutPrefix(text, proofHeader+"\n")
	if !ok {
		return Proof{}, malformed("a proof begins with the line %s", proofHeader)
	}
	var p Proof
	var err error
	if line, after, _ := strings.Cut(rest, "\n"); strings.HasPrefix(line, "extra ") {
		if p.Extra, err = parseExtra(strings.TrimPrefix(line, "extra ")); err != nil {
			return Proof{}, err
		}
		rest = after
	}
	p.Index, p.Hashes, p.Note, err = readHashes("index", rest)
	if err != nil {
		return Proof{}, err
	}
	return p, nil
}

func parseExtra(text string) ([]byte, error) {
	if len(text) > maxExtra {
		return nil, malformed("extra data of %d characters; %d are the most", len(text), maxExtra)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 || base64.StdEncoding.EncodeToString(b) != text {
		return nil, malformed("the extra data is not base64")
	}
	return b, nil
}

// Open checks the note's signatures and that the event with this raw hash (32
// bytes) has the index in the signed tree. It returns the checkpoint, whose
// origin the caller compares with the event's chain, as it compares the index
// with the event's seq − 1. ErrTampered if any of it does not hold.
func (p Proof) Open(leaf []byte, verifiers note.Verifiers) (Checkpoint, error) {
	c, err := Open(p.Note, verifiers)
	if err != nil {
		return Checkpoint{}, err
	}
	return c, CheckInclusion(p.Hashes, c.Size, c.Root, p.Index, leaf)
}

// Consistency shows that the first old events of a checkpoint's chain are
// those of an older checkpoint. Its text is the request of C2SP tlog-witness
// (c2sp.org/tlog-witness, add-checkpoint), so that any witness reads it:
//
//	old 256                                  size of the older checkpoint, decimal
//	gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjg…=     none or more hashes
//	                                         empty line
//	blue-encrypted-store/audit/5f0c6d1e…     the newer checkpoint's note, as it is
//	…
type Consistency struct {
	Old    uint64
	Hashes []Hash // RFC 6962, section 2.1.2
	Note   string
}

// String returns the text.
func (p Consistency) String() string {
	var b strings.Builder
	writeHashes(&b, "old", p.Old, p.Hashes, p.Note)
	return b.String()
}

// ParseConsistency reads the text of a proof and proves nothing yet.
// ErrTampered if it is not the text that String returns.
func ParseConsistency(text string) (Consistency, error) {
	var p Consistency
	var err error
	p.Old, p.Hashes, p.Note, err = readHashes("old", text)
	if err != nil {
		return Consistency{}, err
	}
	return p, nil
}

// Open checks the note's signatures and that its tree begins with that of the
// older checkpoint, which the caller has opened before. ErrTampered if any of
// it does not hold.
func (p Consistency) Open(old Checkpoint, verifiers note.Verifiers) (Checkpoint, error) {
	c, err := Open(p.Note, verifiers)
	if err != nil {
		return Checkpoint{}, err
	}
	if c.Origin != old.Origin || p.Old != old.Size {
		return Checkpoint{}, fmt.Errorf("%w: a consistency proof from size %d of %s, not from size %d of %s", blue.ErrTampered, p.Old, c.Origin, old.Size, old.Origin)
	}
	return c, CheckConsistency(p.Hashes, c.Size, c.Root, old.Size, old.Root)
}

// CheckInclusion checks an inclusion proof (RFC 6962, section 2.1.1): that the
// event with this raw hash has the index, from 0, in the tree. ErrTampered.
func CheckInclusion(hashes []Hash, size uint64, root Hash, index uint64, leaf []byte) error {
	if size > MaxSize || index >= size {
		return fmt.Errorf("%w: inclusion proof: index %d in a tree of %d", blue.ErrTampered, index, size)
	}
	if err := tlog.CheckRecord(hashes, int64(size), root, int64(index), tlog.RecordHash(leaf)); err != nil {
		return fmt.Errorf("%w: inclusion proof: event %d is not in the tree of %d", blue.ErrTampered, index+1, size)
	}
	return nil
}

// CheckConsistency checks a consistency proof (RFC 6962, section 2.1.2): that
// the tree begins with the older one. ErrTampered.
func CheckConsistency(hashes []Hash, size uint64, root Hash, oldSize uint64, oldRoot Hash) error {
	if size > MaxSize || oldSize == 0 || oldSize > size {
		return fmt.Errorf("%w: consistency proof: from %d to %d", blue.ErrTampered, oldSize, size)
	}
	if err := tlog.CheckTree(hashes, int64(size), root, int64(oldSize), oldRoot); err != nil {
		return fmt.Errorf("%w: consistency proof: the tree of %d does not begin with that of %d", blue.ErrTampered, size, oldSize)
	}
	return nil
}

// writeHashes writes what the two kinds of proof share.
func writeHashes(b *strings.Builder, word string, n uint64, hashes []Hash, note string) {
	b.WriteString(word + " " + strconv.FormatUint(n, 10) + "\n")
	for _, h := range hashes {
		b.WriteString(h.String() + "\n")
	}
	b.WriteString("\n" + note)
}

// readHashes reads what writeHashes wrote.
func readHashes(word, text string) (n uint64, hashes []Hash, note string, err error) {
	line, rest, _ := strings.Cut(text, "\n")
	digits, ok := strings.CutPrefix(line, word+" ")
	n, bad := strconv.ParseUint(digits, 10, 64)
	if !ok || bad != nil || strconv.FormatUint(n, 10) != digits {
		return 0, nil, "", malformed("%.60q is not %q and a decimal number", line, word)
	}
	for {
		line, after, ended := strings.Cut(rest, "\n")
		rest = after
		switch {
		case !ended:
			return 0, nil, "", malformed("no empty line after the hashes")
		case line == "":
			_, err := Peek(rest)
			return n, hashes, rest, err
		case len(hashes) == maxHashes:
			return 0, nil, "", malformed("more than %d hashes", maxHashes)
		}
		h, err := parseHash(line)
		if err != nil {
			return 0, nil, "", err
		}
		hashes = append(hashes, h)
	}
}
