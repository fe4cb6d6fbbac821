package checkpoint

import (
	"cmp"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/bits"
	"slices"
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
		return Proof{}, malformedNote("the proof does not begin with the line %s", proofHeader)
	}
	line, rest, _ := strings.Cut(rest, "\n")
	if extra, ok := strings.CutPrefix(line, "extra "); ok {
		if p.Extra, err = parseProofExtra(extra); err != nil {
			return Proof{}, err
		}
		line, rest, _ = strings.Cut(rest, "\n")
	}
	digits, ok := strings.CutPrefix(line, "index ")
	if p.Index, err = strconv.ParseUint(digits, 10, 64); !ok || err != nil || strconv.FormatUint(p.Index, 10) != digits {
		return Proof{}, malformedNote("the line %.60q is not \"index\" and a decimal number", line)
	}
	for {
		line, after, ended := strings.Cut(rest, "\n")
		rest = after
		switch {
		case !ended:
			return Proof{}, malformedNote("there is no empty line after the hashes")
		case line == "":
			p.Note = rest
			if _, err := Peek(rest); err != nil {
				return Proof{}, err
			}
			return p, nil
		case len(p.Hashes) == maxHashes:
			return Proof{}, malformedNote("the proof has more than %d hashes", maxHashes)
		}
		h, err := parseHash(line)
		if err != nil {
			return Proof{}, err
		}
		p.Hashes = append(p.Hashes, h)
	}
}

func parseProofExtra(text string) ([]byte, error) {
	if len(text) > maxExtra {
		return nil, malformedNote("the extra data has %d characters, more than %d", len(text), maxExtra)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(b) == 0 || base64.StdEncoding.EncodeToString(b) != text {
		return nil, malformedNote("the extra data is not base64")
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

// A Prover makes the hashes of one [Proof] from a stream of leaves. It keeps at
// most 63 hashes and no events. Its methods must not be called concurrently.
type Prover struct {
	size, next uint64 // number of leaves in the tree, number of leaves so far
	spans      []span // in the order of the proof
	order      []int  // indexes of the remaining spans, ascending by lo
	tree       Tree   // over the current span
	hashes     []Hash // by the index of the span
}

// A span is a run of leaves [lo, hi) whose root is in the proof.
type span struct{ lo, hi uint64 }

// NewInclusionProver returns the prover of the leaf at index, from 0, in the tree
// of the first size leaves. It returns ErrInvalid unless index < size ≤ 999,999,999,999.
func NewInclusionProver(index, size uint64) (*Prover, error) {
	if index >= size || size > maxSize {
		return nil, fmt.Errorf("%w: no event %d in a tree of %d events", blue.ErrInvalid, index+1, size)
	}
	p := &Prover{size: size, spans: pathSpans(nil, index, span{0, size})}
	for i := range p.spans {
		p.order = append(p.order, i)
	}
	slices.SortFunc(p.order, func(a, b int) int { return cmp.Compare(p.spans[a].lo, p.spans[b].lo) })
	p.hashes = make([]Hash, len(p.spans))
	return p, nil
}

// pathSpans appends the spans of an audit path, RFC 6962, section 2.1.1:
//
//	PATH(m, D[n]) = PATH(m, D[0:k]) : MTH(D[k:n])      for m < k
//	PATH(m, D[n]) = PATH(m - k, D[k:n]) : MTH(D[0:k])  for m >= k
//
// k is the largest power of two below n.
func pathSpans(spans []span, m uint64, s span) []span {
	n := s.hi - s.lo
	if n == 1 {
		return spans
	}
	k := s.lo + 1<<(bits.Len64(n-1)-1)
	if m < k {
		return append(pathSpans(spans, m, span{s.lo, k}), span{k, s.hi})
	}
	return append(pathSpans(spans, m, span{k, s.hi}), span{s.lo, k})
}

// Append adds the next leaf: the raw event hash, 32 bytes. Leaves after the first
// size are ignored.
func (p *Prover) Append(leaf []byte) {
	at := p.next
	p.next++
	if len(p.order) == 0 || at < p.spans[p.order[0]].lo {
		return
	}
	p.tree.Append(leaf)
	if now := p.order[0]; at+1 == p.spans[now].hi {
		p.hashes[now] = p.tree.Root()
		p.tree = Tree{}
		p.order = p.order[1:]
	}
}

// Hashes returns the hashes of the proof. It returns ErrInvalid if fewer than
// size leaves were added.
func (p *Prover) Hashes() ([]Hash, error) {
	if p.next < p.size {
		return nil, fmt.Errorf("%w: the proof needs %d events, and %d were read", blue.ErrInvalid, p.size, p.next)
	}
	return slices.Clone(p.hashes), nil
}

// keyName is the name of the key in signature lines. All stores use it.
const keyName = "blue-audit"

// A Signer signs checkpoints and statements with an Ed25519 key (RFC 8032). All
// ways to print it give "[redacted]". All methods may be called concurrently.
type Signer struct {
	verifier string
	hash     uint32
	key      *ed25519.PrivateKey // a pointer, so that printers do not reach it
}

// NewSigner returns the signer of a seed, 32 bytes (RFC 8032, section 5.1.5). It
// copies the seed. It returns ErrSealed for another length and for zeros.
func NewSigner(seed []byte) (*Signer, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: the audit signing key has %d bytes, not %d", blue.ErrSealed, len(seed), ed25519.SeedSize)
	}
	if [ed25519.SeedSize]byte(seed) == [ed25519.SeedSize]byte{} {
		return nil, fmt.Errorf("%w: the audit signing key is all zeros", blue.ErrSealed)
	}
	key := ed25519.NewKeyFromSeed(seed)
	text, err := note.NewEd25519VerifierKey(keyName, key.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("making the verifier key: %w", err)
	}
	verifier, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("making the verifier key: %w", err)
	}
	return &Signer{verifier: text, hash: verifier.KeyHash(), key: &key}, nil
}

// VerifierKey returns the public key as the verifier key of a note,
// "blue-audit+{key hash, 8 hex digits}+{base64 of 0x01 ‖ 32 bytes}".
func (s *Signer) VerifierKey() string { return s.verifier }

// Sign returns the signed note of a checkpoint. Equal checkpoints give equal
// notes. It returns ErrInvalid for a checkpoint that Open would refuse.
func (s *Signer) Sign(c Checkpoint) (string, error) {
	if problem := c.problem(); problem != "" {
		return "", fmt.Errorf("%w: signing a checkpoint: %s", blue.ErrInvalid, problem)
	}
	text, err := note.Sign(&note.Note{Text: c.text()}, noteSigner{s})
	if err != nil {
		return "", fmt.Errorf("signing a checkpoint: %w", err)
	}
	return string(text), nil
}

// noteSigner implements note.Signer.
type noteSigner struct{ s *Signer }

func (n noteSigner) Name() string    { return keyName }
func (n noteSigner) KeyHash() uint32 { return n.s.hash }

func (n noteSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(*n.s.key, msg), nil }

// ParseVerifiers returns the verifiers of verifier keys, in the form of
// VerifierKey and with any name. Duplicates are allowed. With no key, no note can
// be verified. It returns ErrInvalid for a text that is not an Ed25519 verifier
// key in its only valid spelling.
//
// The caller must take the keys from its configuration and never from the log
// that they verify.
func ParseVerifiers(vkeys []string) (note.Verifiers, error) {
	var list []note.Verifier
	seen := make(map[string]bool)
	for _, vkey := range vkeys {
		v, err := note.NewVerifier(vkey)
		if err == nil && canonicalVerifierKey(vkey) != vkey {
			err = errors.New("not in canonical form")
		}
		if err != nil {
			return nil, fmt.Errorf("%w: verifier key %.120q: %w", blue.ErrInvalid, vkey, err)
		}
		if !seen[vkey] {
			seen[vkey] = true
			list = append(list, v)
		}
	}
	return note.VerifierList(list...), nil
}

// canonicalVerifierKey returns the only valid spelling of a key that
// note.NewVerifier has accepted. Package base64 ignores newlines and trailing
// bits, and the hash can be in upper case.
func canonicalVerifierKey(vkey string) string {
	name, rest, _ := strings.Cut(vkey, "+")
	_, key, _ := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(raw) == 0 {
		return ""
	}
	text, err := note.NewEd25519VerifierKey(name, raw[1:])
	if err != nil {
		return ""
	}
	return text
}

const redaction = "[redacted]"

// String returns [redacted].
func (Signer) String() string { return redaction }

// GoString returns [redacted].
func (Signer) GoString() string { return redaction }

// Format prints [redacted] for every verb.
func (Signer) Format(w fmt.State, _ rune) { _, _ = io.WriteString(w, redaction) }

// MarshalText returns [redacted].
func (Signer) MarshalText() ([]byte, error) { return []byte(redaction), nil }

// MarshalJSON returns "[redacted]" in quotes.
func (Signer) MarshalJSON() ([]byte, error) { return []byte(`"` + redaction + `"`), nil }

// LogValue returns [redacted].
func (Signer) LogValue() slog.Value { return slog.StringValue(redaction) }
