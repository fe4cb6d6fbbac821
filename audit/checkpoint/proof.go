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
	maxHashes   = 63       // depth of a tree of 2^63 leaves
	maxExtra    = 64 << 10 // characters
)

// A Proof shows that one event is in the chain of a checkpoint. A verifier needs
// only the event hash and the public key. Its text is a C2SP tlog-proof
// (c2sp.org/tlog-proof), usually in a file *.tlog-proof:
//
//	c2sp.org/tlog-proof@v1
//	extra base64                             optional, not authenticated
//	index 254                                seq of the event − 1, decimal
//	gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjg…=     0 … 63 hashes, from the sibling of the leaf to the root
//	                                         empty line
//	blue-encrypted-store/audit/5f0c6d1e…     the note of the checkpoint, unchanged
//	…
type Proof struct {
	Extra  []byte // further data for a reader, not authenticated
	Index  uint64 // seq of the event − 1
	Hashes []Hash // the audit path (RFC 6962, section 2.1.1)
	Note   string // the signed note of the checkpoint
}

// String returns the text of the proof.
func (p Proof) String() string {
	var b strings.Builder
	b.WriteString(proofHeader + "\n")
	if len(p.Extra) > 0 {
		b.WriteString("extra " + base64.StdEncoding.EncodeToString(p.Extra) + "\n")
	}
	b.WriteString("index " + strconv.FormatUint(p.Index, 10) + "\n")
	for _, h := range p.Hashes {
		b.WriteString(h.String() + "\n")
	}
	return b.String() + "\n" + p.Note
}

// ParseProof returns the proof of a text and verifies nothing. It returns
// ErrTampered if the text is not in the form that String returns.
func ParseProof(text string) (p Proof, err error) {
	rest, ok := strings.CutPrefix(text, proofHeader+"\n")
	if !ok {
		return Proof{}, malformed("the proof does not begin with the line %s", proofHeader)
	}
	line, rest, _ := strings.Cut(rest, "\n")
	if extra, ok := strings.CutPrefix(line, "extra "); ok {
		if p.Extra, err = parseExtra(extra); err != nil {
			return Proof{}, err
		}
		line, rest, _ = strings.Cut(rest, "\n")
	}
	digits, ok := strings.CutPrefix(line, "index ")
	if p.Index, err = strconv.ParseUint(digits, 10, 64); !ok || err != nil || strconv.FormatUint(p.Index, 10) != digits {
		return Proof{}, malformed("the line %.60q is not \"index\" and a decimal number", line)
	}
	for {
		line, after, ended := strings.Cut(rest, "\n")
		rest = after
		switch {
		case !ended:
			return Proof{}, malformed("there is no empty line after the hashes")
		case line == "":
			p.Note = rest
			if _, err := Peek(rest); err != nil {
				return Proof{}, err
			}
			return p, nil
		case len(p.Hashes) == maxHashes:
			return Proof{}, malformed("the proof has more than %d hashes", maxHashes)
		}
		h, err := parseHash(line)
		if err != nil {
			return Proof{}, err
		}
		p.Hashes = append(p.Hashes, h)
	}
}

func parseExtra(text string) ([]byte, error) {
	if len(text) > maxExtra {
		return nil, malformed("the extra data has %d characters, more than %d", len(text), maxExtra)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 || base64.StdEncoding.EncodeToString(b) != text {
		return nil, malformed("the extra data is not base64")
	}
	return b, nil
}

// Open verifies the signatures of the note, and that the event with the raw hash
// leaf (32 bytes) has the index in the signed tree. It returns the checkpoint.
// The caller must compare its origin with the event's chain, and the index with
// the event's seq − 1. Open returns ErrTampered if any check fails.
func (p Proof) Open(leaf []byte, verifiers note.Verifiers) (Checkpoint, error) {
	c, err := Open(p.Note, verifiers)
	if err != nil {
		return Checkpoint{}, err
	}
	return c, checkInclusion(p.Hashes, c.Size, c.Root, p.Index, leaf)
}

// checkInclusion verifies an audit path (RFC 6962, section 2.1.1): the event with
// the raw hash leaf has the index, from 0, in the tree. It returns ErrTampered if
// it does not.
func checkInclusion(hashes []Hash, size uint64, root Hash, index uint64, leaf []byte) error {
	if size > maxSize || index >= size {
		return fmt.Errorf("%w: inclusion proof: index %d in a tree of %d events", blue.ErrTampered, index, size)
	}
	if err := tlog.CheckRecord(hashes, int64(size), root, int64(index), tlog.RecordHash(leaf)); err != nil {
		return fmt.Errorf("%w: inclusion proof: event %d is not in the tree of %d events", blue.ErrTampered, index+1, size)
	}
	return nil
}
