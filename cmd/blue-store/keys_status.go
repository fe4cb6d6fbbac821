package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/internal/display"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/record"
)

func keysStatusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status [DIALOGUE…]",
		Short: "Show the tree of keys: master key, user, and the key versions of each dialogue with holders",
		Long: "Shows the location and state of the master key, the key of this user, and the keys of each\n" +
			"dialogue: their versions, the number of items under each, and their holders. It prints the age of\n" +
			"each. A key file is as old as its last change, and a version as old as its first wrapped key. It\n" +
			"decrypts no key and verifies nothing.",
		Example: "  blue-store keys status\n  blue-store keys status which-cache",
		Args:    cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			return a.withDialogues(c.Context(), args, func(s *session, ids []blue.DialogueID, named bool) error {
				return a.keysStatus(c.Context(), s, ids, named)
			})
		},
	}
}

// keysAnswer is the answer of keys status, schema blue-store/keys-status@1.
type keysAnswer struct {
	Schema    string                `json:"schema"`
	Source    string                `json:"source"`            // key file or KMS
	UMK       string                `json:"umk"`               // fingerprint of the file, or the ARN; "" if unknown
	Where     string                `json:"where"`             // path of the file, or the server
	State     string                `json:"state"`             // state of the key in KMS, ok for a file, or the error
	UMKMade   string                `json:"umk_created_at"`    // last change of the file, or creation in KMS; "" if unknown
	CacheTTL  int                   `json:"cache_ttl_seconds"` // the maximum time that a process keeps an opened key
	User      string                `json:"user"`              // the user of this run
	UserKey   string                `json:"user_key"`          // derived, or the KMS key that wraps it; "" if there is none yet
	UserWrap  string                `json:"user_key_wrap"`     // SHA-256 of the wrapped user key, 64 hex digits
	UserMade  string                `json:"user_key_created_at"`
	Dialogues []encrypted.KeyStatus `json:"dialogues"`
	now       time.Time
}

func (a *app) keysStatus(ctx context.Context, s *session, ids []blue.DialogueID, named bool) error {
	answer := keysAnswer{
		Schema: "blue-store/keys-status@1", Source: s.config.keySource(), CacheTTL: int(keys.DefaultTTL / time.Second),
		User: s.config.user, Dialogues: []encrypted.KeyStatus{}, now: time.Now(),
	}
	if err := a.describeMasterKey(ctx, s, &answer); err != nil {
		return err
	}
	for _, id := range ids {
		st, err := s.store.KeyStatus(ctx, id)
		if !named && errors.Is(err, blue.ErrNotFound) {
			continue // this client has seen the dialogue, but it is gone
		}
		if err != nil {
			return err
		}
		answer.Dialogues = append(answer.Dialogues, st)
	}
	return a.answerText(answer, answer.text())
}

// describeMasterKey adds the master key and the user key to the answer. A missing
// master key is part of the answer and not an error, because this command is for
// that case.
func (a *app) describeMasterKey(ctx context.Context, s *session, answer *keysAnswer) error {
	c := s.config
	if !c.kms.isSet() {
		answer.Where, answer.State, answer.UserKey = c.umk, "ok", "derived"
		var err error
		if answer.UMK, err = localfile.Open(c.umk, nil).Fingerprint(ctx); err != nil {
			answer.State = err.Error()
		}
		if info, err := os.Lstat(c.umk); err == nil && info.Mode().IsRegular() {
			answer.UMKMade = printedTime(info.ModTime())
			answer.UserMade = answer.UMKMade // derived keys have the age of the key file
		}
		return nil
	}
	p, err := a.kmsProvider(ctx, c.kms, s.records)
	if err != nil {
		return err
	}
	answer.UMK, answer.Where = c.kms.arn, c.kms.where()
	own, err := p.StoredKey(ctx, c.user)
	if err != nil {
		return err
	}
	answer.UserKey, answer.UserWrap, answer.UserMade = own.UMK, own.Fingerprint, own.CreatedAt
	status, err := p.Status(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if answer.State = status.State; err != nil {
		answer.State = err.Error()
	}
	if !status.Created.IsZero() {
		answer.UMKMade = printedTime(status.Created)
	}
	if !status.Deletion.IsZero() {
		answer.State += ", with deletion on " + status.Deletion.UTC().Format(time.DateOnly)
	}
	return nil
}

// printedTime returns a time in the form of the tables.
func printedTime(at time.Time) string { return at.UTC().Format(record.TimeLayout) }

func (k keysAnswer) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "UMK %s  %s %s, %s, %s\n", cmp.Or(k.UMK, "?"), k.Source, k.Where, k.State, k.age(k.UMKMade))
	fmt.Fprintf(&b, "    a process keeps opened keys for at most %s; revoked access ends after that time\n", time.Duration(k.CacheTTL)*time.Second)
	fmt.Fprintf(&b, "└ KEK of %s  %s\n", k.User, k.userKey())
	for _, d := range k.Dialogues {
		k.dialogue(&b, d)
	}
	return b.String()
}

func (k keysAnswer) userKey() string {
	kept := fmt.Sprintf("wrap %.16s…, %s", k.UserWrap, k.age(k.UserMade))
	switch k.UserKey {
	case "derived":
		return "derived, " + k.age(k.UserMade)
	case "":
		return "not made yet"
	case k.UMK:
		return "stored, opened by KMS, " + kept
	}
	return "stored under " + k.UserKey + ", " + kept + "; run blue-store keys rewrap"
}

func (k keysAnswer) dialogue(b *strings.Builder, d encrypted.KeyStatus) {
	fmt.Fprintf(b, "  └ %s  %s", d.Dialogue, cmp.Or(d.State, "no key header"))
	if d.State == "active" {
		fmt.Fprintf(b, ", version %d", d.Active)
	}
	fmt.Fprintf(b, ", %s\n", k.age(d.CreatedAt))
	for _, v := range d.Versions {
		fmt.Fprintf(b, "      v%d  %s, %s\n", v.Version, display.Count(d.Items[v.Version], "item"), k.age(v.CreatedAt))
		for _, h := range v.Holders {
			fmt.Fprintf(b, "        %s  wrap %.16s…, %s, under %s\n", display.OneLine(h.User), h.Fingerprint, k.age(h.CreatedAt), display.OneLine(h.UMK))
		}
	}
	if n := d.Items[0]; n > 0 && d.State == "active" {
		fmt.Fprintf(b, "      %d items name no key\n", n)
	}
}

// age returns the age of a stored time, for example "3 h old".
func (k keysAnswer) age(created string) string {
	at, err := time.Parse(time.RFC3339Nano, created)
	if err != nil {
		return "of unknown age"
	}
	switch d := k.now.Sub(at); {
	case d < time.Minute:
		return "less than a minute old"
	case d < time.Hour:
		return fmt.Sprintf("%d min old", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h old", d/time.Hour)
	default:
		return fmt.Sprintf("%d days old", d/(24*time.Hour))
	}
}
