package erasure

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit/checkpoint"
)

// Format is the first member of every certificate.
const Format = "blue-encrypted-store/erasure/v1"

// The kinds of a subject and the states of a certificate.
const (
	KindDialogue = "dialogue" // the subject is a dialogue
	KindUser     = "user"     // the subject is a user
	Pending      = "pending"  // a listed copy can still restore a key
	Final        = "final"    // every listed copy has ended
)

// A Certificate is a signed statement that a dialogue or a user was erased. Times
// are UTC, RFC 3339, in whole seconds, except started_at and finished_at, which
// have the form in the store.
type Certificate struct {
	Format      string   `json:"format"`
	Subject     Subject  `json:"subject"`
	State       string   `json:"state"`            // pending or final
	NotBefore   string   `json:"final_not_before"` // "" while a copy without an end is listed
	IssuedAt    string   `json:"issued_at"`
	StartedAt   string   `json:"started_at"`
	FinishedAt  string   `json:"finished_at"`
	Keys        []string `json:"key_fingerprints"` // SHA-256 of each wrapped key that was destroyed, 64 hex digits
	Items       int64    `json:"items"`            // destroyed stored records, of a user the records of Erased
	ItemsDigest string   `json:"items_digest"`     // over them, 64 hex digits, "" if Erased of a user is empty
	Tables      []string `json:"tables"`           // logical tables that held them
	Store       []string `json:"store"`            // names of the store (record.Identified), [] if it has none
	Erased      []string `json:"erased"`           // of a user: dialogues that were erased
	Revoked     []string `json:"revoked"`          // of a user: dialogues that other users keep
	Event       Event    `json:"event"`
	Proof       string   `json:"proof"` // checkpoint.Proof: inclusion, and the checkpoint's note
	Copies      []Copy   `json:"copies"`
}

// A Subject is the erased dialogue or user.
type Subject struct {
	Kind string `json:"kind"` // KindDialogue or KindUser
	ID   string `json:"id"`   // of the dialogue, or the name of the user
}

// A Copy is a place from which the erased data could come back.
type Copy struct {
	Kind    string `json:"kind"`    // as in record.Copy, or cache
	What    string `json:"what"`    // for people
	Expires string `json:"expires"` // "" for no known end
	Covered bool   `json:"covered"` // false if the store cannot see the place, about which the certificate then says nothing
}

// until returns a description of the copy with its end.
func (c Copy) until() string { return c.What + ", until " + cmp.Or(c.Expires, "it is deleted") }

const second = "2006-01-02T15:04:05Z"

// sign returns the certificate as a note.
func (c *Certificate) sign(signer *checkpoint.Signer) (string, error) {
	text, err := c.marshal()
	if err != nil {
		return "", err
	}
	return signer.SignStatement(text)
}

func (c *Certificate) marshal() (string, error) {
	for _, list := range []*[]string{&c.Keys, &c.Tables, &c.Store, &c.Erased, &c.Revoked} {
		if *list == nil {
			*list = []string{} // [] rather than null
		}
	}
	if c.Copies == nil {
		c.Copies = []Copy{}
	}
	text, err := json.MarshalIndent(c, "", "  ")
	return string(text) + "\n", err
}

// Open checks the signature of a certificate, and that the certificate does not
// contradict itself. It uses no store, as Notary.Verify does. The error is
// blue.ErrTampered.
func Open(text string, verifiers note.Verifiers) (Certificate, error) {
	body, err := checkpoint.OpenStatement(text, verifiers)
	if err != nil {
		return Certificate{}, fmt.Errorf("erasure certificate: %w", err)
	}
	var c Certificate
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		return Certificate{}, wrongCertificate("it is not a JSON object of this format")
	}
	again, err := c.marshal()
	if err != nil || again != body || c.Format != Format {
		return Certificate{}, wrongCertificate("it is not of the format %s", Format)
	}
	return c, c.check()
}

// check returns blue.ErrTampered if a certificate contradicts itself.
func (c *Certificate) check() error {
	issued, err := time.Parse(second, c.IssuedAt)
	if err != nil {
		return wrongCertificate("issued_at is not a valid timestamp")
	}
	end, known, err := c.end()
	switch {
	case err != nil:
		return err
	case c.Subject.Kind != KindDialogue && c.Subject.Kind != KindUser:
		return wrongCertificate("a subject of kind %.40q", c.Subject.Kind)
	case known != (c.NotBefore != ""), known && c.NotBefore != end.Format(second):
		return wrongCertificate("final_not_before is %.40q, and its copies say another date", c.NotBefore)
	case c.State == Final && !known:
		return wrongCertificate("it is final, and lists a copy without an end")
	case c.State == Final && issued.Before(end):
		return wrongCertificate("it was made final before %s", c.NotBefore)
	case c.State != Final && c.State != Pending:
		return wrongCertificate("the state %.40q", c.State)
	}
	return nil
}

// end is when the last covered copy ends; known is false if one has no end.
func (c *Certificate) end() (end time.Time, known bool, err error) {
	if end, err = time.Parse(time.RFC3339Nano, c.FinishedAt); err != nil {
		return end, false, wrongCertificate("finished_at is not a valid timestamp")
	}
	end, known = roundUp(end), true
	for _, copied := range c.Copies {
		switch {
		case !copied.Covered:
		case copied.Expires == "":
			known = false
		default:
			expires, err := time.Parse(second, copied.Expires)
			if err != nil {
				return end, false, wrongCertificate("the end of a copy is not a valid timestamp")
			}
			if expires.After(end) {
				end = expires
			}
		}
	}
	return end, known, nil
}

// roundUp is the next whole second: what ends within a second has ended after it.
func roundUp(t time.Time) time.Time {
	whole := t.UTC().Truncate(time.Second)
	if whole.Before(t) {
		whole = whole.Add(time.Second)
	}
	return whole
}

// wrongCertificate returns the ErrTampered of a certificate that fails a check.
func wrongCertificate(format string, args ...any) error {
	return fmt.Errorf("%w: erasure certificate: %s", blue.ErrTampered, fmt.Sprintf(format, args...))
}

// String is the certificate for people.
func (c *Certificate) String() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-18s %s\n", name, fmt.Sprintf(format, args...))
	}
	list := func(name string, all []string) {
		for _, text := range all {
			line(name, "%s", text)
			name = ""
		}
	}
	fmt.Fprintf(&b, "Certificate of erasure (%s)\n\n", c.State)
	line("erased", "%s %s", c.Subject.Kind, c.Subject.ID)
	line("begun", "%s", c.StartedAt)
	line("finished", "%s", c.FinishedAt)
	list("keys destroyed", c.Keys)
	line("records destroyed", "%d in %s", c.Items, strings.Join(c.Tables, ", "))
	if c.ItemsDigest != "" {
		line("their digest", "%s", c.ItemsDigest)
	}
	list("in the store", c.Store)
	list("dialogues erased", c.Erased)
	list("taken from", c.Revoked)
	line("audit event", "chain %s, event %d", c.Event.Chain, c.Event.Seq)
	line("", "%s", c.Event.Hash)
	for i, text := range c.proven() {
		line([]string{"under checkpoint", "", ""}[i], "%s", text)
	}
	b.WriteString("\n")
	c.writeCopies(&b)
	return b.String()
}

// shortRoot is how many characters of a root are shown, 96 bits of it: who
// compares two by eye reads no more.
const shortRoot = 16

// proven says in up to three lines what the proof names, for a person to compare
// with a checkpoint that they keep. Whether it holds is for Verify to say.
func (c *Certificate) proven() []string {
	p, err := checkpoint.ParseProof(c.Proof)
	if err != nil {
		return []string{"it cannot be read"}
	}
	signed, err := checkpoint.Peek(p.Note)
	if err != nil {
		return []string{"it cannot be read"}
	}
	return []string{
		signed.Origin,
		fmt.Sprintf("%d events, root %.*s…", signed.Size, shortRoot, signed.Root),
		fmt.Sprintf("proof of chain %s, event %d, hashes: %d", signed.Chain(), p.Index+1, len(p.Hashes)),
	}
}

func (c *Certificate) writeCopies(b *strings.Builder) {
	if slices.ContainsFunc(c.Copies, func(copied Copy) bool { return copied.Covered }) {
		b.WriteString("Copies that could bring it back until they end:\n")
	}
	for _, copied := range c.Copies {
		if copied.Covered {
			fmt.Fprintf(b, "  %s\n", copied.until())
		}
	}
	switch {
	case c.State == Final:
		b.WriteString("All of these have ended.\n")
	case c.NotBefore == "":
		b.WriteString("This certificate can be made final when those without an end are deleted.\n")
	default:
		fmt.Fprintf(b, "This certificate can be made final from %s on.\n", c.NotBefore)
	}
	b.WriteString("\nNot covered, because the store cannot list them:\n")
	for _, copied := range c.Copies {
		if !copied.Covered {
			fmt.Fprintf(b, "  %s\n", copied.What)
		}
	}
	b.WriteString("  bytes on physical media\n")
}
