package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
)

func keysStatusCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status [DIALOGUE…]",
		Short: "Show the tree of keys: master key, user, key versions of each dialogue and who holds them",
		Long: "Shows where the master key is, what it says of itself, the key of this user, and for each\n" +
			"dialogue the state of its keys: versions, how many items each seals, who holds them. Each with\n" +
			"its age: a key file's is that of its last change, a version's that of its earliest wrap. No key\n" +
			"is opened, and nothing of this is verified.",
		Example: "  blue-store keys status\n  blue-store keys status which-cache",
		RunE: func(c *cobra.Command, args []string) error {
			ids, err := parseDialogues(args)
			if err != nil {
				return err
			}
			return a.keysStatus(c.Context(), ids)
		},
	}
}

// keysAnswer is what keys status says, schema blue-store/keys-status@1.
type keysAnswer struct {
	Schema    string                `json:"schema"`
	Source    string                `json:"source"`            // key file or KMS
	UMK       string                `json:"umk"`               // fingerprint of the file, or the ARN; "" if it cannot be had
	Where     string                `json:"where"`             // path of the file, or the server
	State     string                `json:"state"`             // of the key in KMS; ok for a file; else what is wrong
	UMKMade   string                `json:"umk_created_at"`    // last change of the file, or what KMS says; "" if unknown
	CacheTTL  int                   `json:"cache_ttl_seconds"` // how long a process keeps an opened key: the revocation delay
	User      string                `json:"user"`              // of this run
	UserKey   string                `json:"user_key"`          // derived; else the KMS key it is stored under, "" if there is none yet
	UserWrap  string                `json:"user_key_wrap"`     // of a stored one: SHA-256 of the wrapped key, 64 hex digits
	UserMade  string                `json:"user_key_created_at"`
	Dialogues []encrypted.KeyStatus `json:"dialogues"`
	now       time.Time
}

func (a *app) keysStatus(ctx context.Context, ids []blue.DialogueID) error {
	s, err := a.openExisting(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	answer := keysAnswer{
		Schema: "blue-store/keys-status@1", Source: s.config.keySource(), CacheTTL: int(keys.DefaultTTL / time.Second),
		User: s.config.user, Dialogues: []encrypted.KeyStatus{}, now: time.Now(),
	}
	if err := a.master(ctx, s, &answer); err != nil {
		return err
	}
	named := len(ids) > 0
	if !named {
		if ids, err = everyDialogue(ctx, s.store, s.config); err != nil {
			return err
		}
	}
	for _, id := range ids {
		st, err := s.store.KeyStatus(ctx, id)
		if !named && errors.Is(err, blue.ErrNotFound) {
			continue // this client remembers one that is gone
		}
		if err != nil {
			return err
		}
		answer.Dialogues = append(answer.Dialogues, st)
	}
	return a.answer(answer, answer.text)
}

// master describes the master key and the user's. A master key that cannot be
// had is part of the answer: it is when one looks here.
func (a *app) master(ctx context.Context, s *session, answer *keysAnswer) error {
	c := s.config
	if !c.kms.used() {
		answer.Where, answer.State, answer.UserKey = c.umk, "ok", "derived"
		var err error
		if answer.UMK, err = localfile.Open(c.umk, nil).Fingerprint(ctx); err != nil {
			answer.State = err.Error()
		}
		if info, err := os.Lstat(c.umk); err == nil && info.Mode().IsRegular() {
			answer.UMKMade = stored(info.ModTime())
			answer.UserMade = answer.UMKMade // what is derived is as old
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
		answer.UMKMade = stored(status.Created)
	}
	if !status.Deletion.IsZero() {
		answer.State += ", gone on " + status.Deletion.UTC().Format(time.DateOnly)
	}
	return nil
}

// stored writes a time as the tables do.
func stored(at time.Time) string { return at.UTC().Format(timeForm) }

func (k keysAnswer) text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "UMK %s  %s %s, %s, %s\n", cmp.Or(k.UMK, "?"), k.Source, k.Where, k.State, k.age(k.UMKMade))
	fmt.Fprintf(&b, "    opened keys stay in a process for %s at most: that is the delay of a revocation\n", time.Duration(k.CacheTTL)*time.Second)
	fmt.Fprintf(&b, "└ KEK of %s  %s\n", k.User, k.userKey())
	for _, d := range k.Dialogues {
		k.dialogue(&b, d)
	}
	_, err := io.WriteString(w, printable(b.String()))
	return err
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
	return "stored under " + k.UserKey + ", " + kept + "; blue-store keys rewrap brings it here"
}

func (k keysAnswer) dialogue(b *strings.Builder, d encrypted.KeyStatus) {
	fmt.Fprintf(b, "  └ %s  %s", d.Dialogue, cmp.Or(d.State, "no head"))
	if d.State == "active" {
		fmt.Fprintf(b, ", version %d", d.Active)
	}
	fmt.Fprintf(b, ", %s\n", k.age(d.CreatedAt))
	for _, v := range d.Versions {
		fmt.Fprintf(b, "      v%d  %d items, %s\n", v.Version, d.Items[v.Version], k.age(v.CreatedAt))
		for _, h := range v.Holders {
			fmt.Fprintf(b, "        %s  wrap %.16s…, %s, under %s\n", oneLine(h.User), h.Fingerprint, k.age(h.CreatedAt), oneLine(h.UMK))
		}
	}
	if n := d.Items[0]; n > 0 && d.State == "active" {
		fmt.Fprintf(b, "      %d items name no key\n", n)
	}
}

// age is how long ago a stored time was: "3 h old". Nothing is guessed where
// nobody says.
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
