package encrypted_test

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/audit"
	"github.com/superviber/blue-encrypted-store/encrypted"
	"github.com/superviber/blue-encrypted-store/envelope"
	"github.com/superviber/blue-encrypted-store/freshness"
	"github.com/superviber/blue-encrypted-store/internal/testing/sealedtest"
	"github.com/superviber/blue-encrypted-store/keys"
	"github.com/superviber/blue-encrypted-store/keys/localfile"
	"github.com/superviber/blue-encrypted-store/memory"
	"github.com/superviber/blue-encrypted-store/record"
	"github.com/superviber/blue-encrypted-store/storetest"
)

// canaries makes texts that occur in no other place.
type canaries struct{ texts []string }

func (c *canaries) text(of string) string {
	t := fmt.Sprintf("Canary %s %03d sings\twith \"ü\"", of, len(c.texts))
	c.texts = append(c.texts, t)
	return t
}

// noText are the encrypted fields that hold no free text.
var noText = map[string]string{
	"Dialogue.Imports":          "digests and counts; the refusals' reasons are planted",
	"Expert.Slug":               "the sort key holds it in lower case",
	"Expert.Scores":             "numbers",
	"RoundRecord.Signals":       "slugs and times",
	"RoundRecord.Request":       "a digest",
	"Contribution.Contributors": "slugs", "Contribution.References": "ids",
	"Verdict.AuthorExpert": "a slug", "Verdict.SupportingExperts": "slugs", "Verdict.TensionsAccepted": "ids", "Verdict.Forced": "a truth value",
	"Move.Display": "a slug", "Move.Targets": "ids", "Event.Actors": "slugs", "Event.Reference": "an id", "Event.ResultID": "an id",
}

// TestCanaries plants a text in every encrypted field. It uses every operation,
// with success and with failure, and searches for the texts and for every key in
// all spans, logs and errors.
func TestCanaries(t *testing.T) {
	w := newCanaryWorld(t)
	w.fill()
	w.covers()
	w.useAll()
	w.failAll()
	names := w.spanNames()
	for _, want := range []string{"load", "get", "commit", "seal", "open", "witness", "salvage", "verify", "key.derive_kek", "key.wrap", "key.unwrap", "audit.append"} {
		if !slices.Contains(names, want) {
			t.Errorf("no span %s among %v", want, names)
		}
	}
	needles, out := w.needles(), w.output()
	t.Logf("%d texts, %d keys, %d spans, %d errors, %d bytes of output", len(w.birds.texts), len(needles)-len(w.birds.texts), len(w.spans.GetSpans()), w.errors, len(out))
	for _, n := range needles {
		if form := findIn(out, n); form != "" {
			t.Errorf("%q came out as %s", n, form)
		}
	}

	// The scan finds each planted text and key in every spelling.
	for _, n := range needles {
		for form, spelt := range spellings(n) {
			w.spans.Reset()
			w.logged.Reset()
			_, span := w.tracer.Tracer("leak").Start(t.Context(), "leak")
			span.SetAttributes(attribute.String("leak", "x"+spelt+"y"))
			span.End()
			if findIn(w.output(), n) == "" {
				t.Errorf("a planted %q in form %s is not found", n, form)
			}
		}
	}
}

type canaryWorld struct {
	*testing.T
	birds    canaries
	spans    *tracetest.InMemoryExporter
	tracer   *sdktrace.TracerProvider
	logged   bytes.Buffer
	logger   *slog.Logger
	records  *storetest.Faulty
	provider *watchedProvider
	store    *encrypted.Store
	umk      string
	errors   int
}

const canaryID blue.DialogueID = "which-cache"

func newCanaryWorld(t *testing.T) *canaryWorld {
	w := &canaryWorld{T: t, spans: tracetest.NewInMemoryExporter(), umk: filepath.Join(t.TempDir(), "umk.key")}
	w.tracer = sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans))
	w.logger = slog.New(slog.NewJSONHandler(&w.logged, &slog.HandlerOptions{AddSource: false, Level: slog.LevelDebug}))
	w.records = &storetest.Faulty{Inner: memory.New()}
	w.provider = &watchedProvider{Provider: sealedtest.Key(w.umk), log: w.logger}
	w.store = w.open(w.provider, "muffin")
	return w
}

func (w *canaryWorld) open(p keys.Provider, user string) *encrypted.Store {
	tracer := w.tracer.Tracer("blue")
	log := audit.NewLog(w.records, user, &audit.Options{Tracer: tracer})
	return encrypted.New(w.records, p, user, log, &encrypted.Options{Tracer: tracer, Freshness: freshness.Dir(w.TempDir())})
}

// watchedProvider keeps the secrets that it returns, and logs every handle as a
// careless program would.
type watchedProvider struct {
	keys.Provider
	log     *slog.Logger
	mu      sync.Mutex
	secrets [][]byte
}

func (p *watchedProvider) UnwrapDEK(ctx context.Context, kek *keys.KEK, b keys.Binding, wrapped keys.Wrapped) (*envelope.Secret, error) {
	s, err := p.Provider.UnwrapDEK(ctx, kek, b, wrapped)
	p.log.Debug("unwrapped", "kek", kek, "secret", s, "text", fmt.Sprintf("%v %+v %#v %s", kek, kek, s, s))
	if err == nil {
		p.mu.Lock()
		p.secrets = append(p.secrets, bytes.Clone(s.InsecureBytes()))
		p.mu.Unlock()
	}
	return s, err
}

func (w *canaryWorld) ok(err error) {
	w.Helper()
	w.log(err)
	if err != nil {
		w.Fatal(err)
	}
}

func (w *canaryWorld) log(err error) {
	if err != nil {
		w.errors++
		w.logger.Error("failed", "error", err, "text", err.Error(), "deep", fmt.Sprintf("%+v", err))
	}
}

// fill makes a dialogue with a canary in every encrypted text.
func (w *canaryWorld) fill() {
	w.Helper()
	ctx, id, t := w.Context(), canaryID, w.birds.text
	quoted := func(of string) json.RawMessage { b, _ := json.Marshal(map[string]string{"why": t(of)}); return b }
	refused := &blue.ImportRefusal{Op: 0, Kind: "round-register", Reason: t("refusal")}
	_, err := w.store.Create(ctx, id, blue.NewDialogue{Title: t("title"), Question: t("question"), OutputDir: t("output"),
		Background: &blue.Background{Subject: t("subject"), Description: new(t("description")), Situation: new(t("situation")), Constraints: quoted("constraints")}})
	w.ok(err)
	_, err = w.store.Amend(ctx, id, blue.Amendment{Refused: refused, Step: &blue.Step{Source: strings.Repeat("a", 64)}})
	w.ok(err)
	_, err = w.store.RegisterExpert(ctx, id, blue.NewExpert{Slug: "Muffin", Role: t("role"), Tier: "Core", Source: "pool", Description: t("who"),
		Focus: t("focus"), CreationReason: t("why"), Color: t("color")})
	w.ok(err)
	batch := blue.RoundBatch{Title: t("round"), Summary: t("summary"), Score: 7, ConvergeSignals: 1, PanelSize: 1, Drafts: map[blue.Kind][]blue.Draft{},
		ExpertScores: map[blue.ExpertSlug]int64{"Muffin": 7}, RawContent: map[blue.ExpertSlug]string{"Muffin": t("raw")},
		Moves: []blue.MoveDraft{{Expert: "Muffin", Type: "defend", Targets: []string{"P0001"}, Context: t("context")}}}
	for _, kind := range blue.NumberedKinds() {
		d := blue.Draft{Label: t("label"), Text: t("text"), LocalID: "Canary-local-" + string(kind), Contributors: []blue.ExpertSlug{"Muffin"}}
		w.birds.texts = append(w.birds.texts, d.LocalID)
		if kind == blue.KindRecommendation {
			d.Parameters = quoted("parameters")
		}
		batch.Drafts[kind] = []blue.Draft{d}
	}
	_, err = w.store.RegisterRound(ctx, id, batch)
	w.ok(err)
	_, err = w.store.RegisterRound(ctx, id, batch) // a repeat: read, not written
	w.ok(err)
	batch.Score = 8
	_, err = w.store.RegisterRound(ctx, id, batch)
	w.log(err) // a conflict
	for _, kind := range blue.NumberedKinds() {
		of := blue.EntityID{Kind: kind, Seq: 1}
		_, err = w.store.Transition(ctx, id, blue.Transition{ID: of, To: kind.Statuses()[1], Reason: t("reason"), By: []blue.ExpertSlug{"Muffin"}})
		w.ok(err)
		_, err = w.store.Transition(ctx, id, blue.Transition{ID: of, To: blue.Status(t("status")), Reason: t("reason")})
		w.log(err)
	}
	_, err = w.store.RegisterVerdict(ctx, id, blue.NewVerdict{ID: "V01", Type: "interim", AuthorExpert: "Muffin", Recommendation: t("recommendation"),
		Description: t("description"), Conditions: []string{t("condition"), t("condition")}, Vote: t("vote"), Confidence: t("confidence"), EthosCompliance: quoted("ethos")})
	w.ok(err)
	_, err = w.store.RecordSignal(ctx, id, blue.Signal{Expert: "Muffin"})
	w.ok(err)
	// A refusal repeats the status in the request to the caller. That text was
	// never encrypted.
	w.birds.texts = slices.DeleteFunc(w.birds.texts, func(s string) bool { return strings.HasPrefix(s, "Canary status") })
}

// covers checks that every encrypted field of every entity holds a canary, or is
// listed in noText.
func (w *canaryWorld) covers() {
	w.Helper()
	snapshot, err := w.store.Load(w.Context(), canaryID)
	w.ok(err)
	sung := map[string]bool{}
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Map:
			for i := v.MapRange(); i.Next(); {
				walk(i.Value())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				f := v.Type().Field(i)
				if f.Tag.Get("sealed") == "" {
					if f.IsExported() {
						walk(v.Field(i))
					}
					continue
				}
				text, err := json.Marshal(v.Field(i).Interface())
				w.ok(err)
				name := v.Type().Name() + "." + f.Name
				sung[name] = sung[name] || bytes.Contains(text, []byte("Canary"))
			}
		}
	}
	walk(reflect.ValueOf(snapshot))
	if len(sung) < 40 {
		w.Errorf("%d sealed fields were looked at", len(sung))
	}
	for name, yes := range sung {
		if _, none := noText[name]; !yes && !none {
			w.Errorf("%s holds no canary", name)
		}
	}
	if progress := fmt.Sprint(snapshot.Dialogue.Imports); !strings.Contains(progress, "Canary") {
		w.Error("the refusals of imports hold no canary")
	}
}

// useAll calls the methods that fill does not call.
func (w *canaryWorld) useAll() {
	ctx, id := w.Context(), canaryID
	w.useReads(w.store)
	_, err := w.store.Verify(ctx, id)
	w.ok(err)
	_, err = w.store.Salvage(ctx, id)
	w.ok(err)
	_, err = w.store.List(ctx)
	w.ok(err)
	_, err = w.store.ListTensions(ctx, blue.StatusOpen)
	w.ok(err)
	_, err = w.store.ListExpert(ctx, "Muffin")
	w.ok(err)
	_, err = w.store.NextID(ctx, "Which cache?")
	w.ok(err)
}

// useReads reads and writes, and logs the errors.
func (w *canaryWorld) useReads(s *encrypted.Store) {
	ctx, id := w.Context(), canaryID
	_, err := s.Load(ctx, id)
	w.log(err)
	for _, key := range []blue.EntityKey{{Kind: blue.KindDialogue}, {Kind: blue.KindExpert, Key: "Muffin"}, {Kind: blue.KindTension, Key: "T0001"}, {Kind: blue.KindTension, Key: "T0099"}} {
		_, err := s.Get(ctx, id, key)
		w.log(err)
	}
	_, err = s.Amend(ctx, id, blue.Amendment{DomainID: new("d")})
	w.log(err)
	_, err = s.Amend(ctx, id, blue.Amendment{DomainID: new("e")})
	w.log(err)
	_, err = s.Create(ctx, id, blue.NewDialogue{Title: "again"})
	w.log(err)
}

// failAll uses the store under every fault and every key but the right one.
func (w *canaryWorld) failAll() {
	changed := func(change func(record.Record)) func([]record.Record) []record.Record {
		return func(all []record.Record) []record.Record {
			for _, r := range all {
				change(r)
			}
			return all
		}
	}
	for _, fault := range []func(){
		func() { w.records.Before = func(storetest.Call) error { return storetest.ErrFault } },
		func() { w.records.After = func(c storetest.Call) error { return storetest.ErrFault } },
		func() {
			w.records.Before = func(c storetest.Call) error {
				if c.Method == "Commit" {
					return storetest.ErrFault
				}
				return nil
			}
		},
		func() {
			w.records.Read = changed(func(r record.Record) { r.Attrs["updated_at"] = record.S("2031-02-03T04:05:07.000000000Z") })
		},
		func() { w.records.Read = changed(func(r record.Record) { delete(r.Attrs, "item_mac") }) },
		func() { w.records.Read = func(all []record.Record) []record.Record { return all[:len(all)/2] } },
		func() { w.records.Read = func([]record.Record) []record.Record { return nil } },
	} {
		fault()
		w.useReads(w.store)
		_, err := w.store.Salvage(w.Context(), canaryID)
		w.log(err)
		w.records.Heal()
	}
	other := localfile.Open(filepath.Join(w.TempDir(), "other.key"), &localfile.Options{MayCreate: func(context.Context) (bool, error) { return true, nil }})
	for _, s := range []*encrypted.Store{
		w.open(other, "muffin"), w.open(w.provider, "scone"), w.open(localfile.Open(filepath.Join(w.TempDir(), "none.key"), nil), "muffin"),
	} {
		before := w.errors
		w.useReads(s)
		if w.errors < before+3 {
			w.Error("another's key opens the dialogue")
		}
		s.Close()
	}
	closed := w.open(w.provider, "muffin")
	w.ok(closed.Close())
	_, err := closed.Load(w.Context(), canaryID)
	w.log(err)
	if !errors.Is(err, blue.ErrUnavailable) {
		w.Errorf("a closed store: %v", err)
	}
}

func (w *canaryWorld) spanNames() []string {
	var names []string
	for _, s := range w.spans.GetSpans() {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// output returns the spans, as JSON and as Go prints them, and the log.
func (w *canaryWorld) output() string {
	var b strings.Builder
	for _, s := range w.spans.GetSpans() {
		fmt.Fprintf(&b, "%s %s %s %v\n", s.Name, s.Status.Code, s.Status.Description, s.Resource)
		for _, a := range s.Attributes {
			fmt.Fprintf(&b, "%s=%s\n", a.Key, a.Value.String())
		}
		for _, e := range s.Events {
			fmt.Fprintf(&b, "%s %v\n", e.Name, e.Attributes)
		}
		for _, l := range s.Links {
			fmt.Fprintf(&b, "%v\n", l.Attributes)
		}
	}
	return b.String() + w.logged.String()
}

// needles returns the texts and every key: UMK, KEK, secret, and the keys that
// are derived from it.
func (w *canaryWorld) needles() []string {
	w.Helper()
	all := slices.Clone(w.birds.texts)
	file, err := os.ReadFile(w.umk)
	w.ok(err)
	umk := file
	if b, err := hex.DecodeString(strings.TrimSpace(string(file))); err == nil {
		umk = b
	} else if b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(file))); err == nil {
		umk = b
	}
	if len(umk) != 32 {
		w.Fatalf("the key file holds %d bytes in an unknown form", len(umk))
	}
	derive := func(secret []byte, info string) []byte {
		k, err := hkdf.Key(sha256.New, secret, nil, info, 32)
		w.ok(err)
		all = append(all, string(k))
		return k
	}
	all = append(all, string(umk))
	derive(derive(umk, "blue/1/kek/muffin"), "blue/1/wrap")
	if len(w.provider.secrets) == 0 {
		w.Fatal("no secret was opened")
	}
	for _, r := range w.provider.secrets {
		if slices.Contains(all, string(r)) {
			continue
		}
		all = append(all, string(r))
		for _, part := range []string{"dek", "item", "root", "seal"} {
			derive(r, "blue/1/"+part+"/"+string(canaryID)+"/1")
		}
	}
	return all
}

// spellings returns the forms in which a text can contain a needle.
func spellings(needle string) map[string]string {
	quoted, _ := json.Marshal(needle)
	all := map[string]string{
		"itself": needle, "json": strings.Trim(string(quoted), `"`), "go": strings.Trim(fmt.Sprintf("%q", needle), `"`),
		"hex": hex.EncodeToString([]byte(needle)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(needle))),
		"url": url.QueryEscape(needle), "numbers": strings.Trim(fmt.Sprint([]byte(needle)), "[]"),
		"lower case": strings.ToLower(needle), "upper case": strings.ToUpper(needle),
	}
	for shift := range 3 { // for any preceding bytes
		whole := make([]byte, shift+len(needle))
		copy(whole[shift:], needle)
		for name, enc := range map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64url": base64.URLEncoding} {
			text := enc.EncodeToString(whole)
			all[fmt.Sprintf("%s+%d", name, shift)] = text[(shift*8+5)/6 : len(text)-4]
		}
	}
	return all
}

// findIn returns the form in which a text contains a needle, or "".
func findIn(text, needle string) string {
	for form, spelt := range spellings(needle) {
		if strings.Contains(text, spelt) {
			return form
		}
	}
	return ""
}
