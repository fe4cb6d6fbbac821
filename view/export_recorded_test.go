package view

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
	"github.com/superviber/blue-encrypted-store/internal/testing/fixtures"
)

// recording is what Blue left of one dialogue: its export, and the tables that
// no output of Blue's shows.
type recording struct {
	t      *testing.T
	name   string
	export map[string]any
	tables map[string][]map[string]any
}

func readRecording(t *testing.T, name string) *recording {
	t.Helper()
	r := &recording{t: t, name: name}
	for file, into := range map[string]any{"export.json": &r.export, "hidden_tables.json": &r.tables} {
		data, err := os.ReadFile(fixtures.Dialogue(t, name, file))
		if err != nil {
			t.Fatal(err)
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		if err := dec.Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// row reads members of one object of a recording.
type row struct {
	t *testing.T
	m map[string]any
}

func (r row) text(name string) string {
	s, _ := r.m[name].(string)
	return s
}

func (r row) number(name string) int64 {
	n, ok := r.m[name].(json.Number)
	if !ok {
		return 0
	}
	i, err := n.Int64()
	if err != nil {
		r.t.Fatal(err)
	}
	return i
}

func (r row) time(name string) time.Time {
	text := r.text(name)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		r.t.Fatal(err)
	}
	return at
}

func (r row) texts(name string) []string {
	list, ok := r.m[name].([]any)
	if !ok {
		return nil
	}
	texts := []string{}
	for _, v := range list {
		texts = append(texts, v.(string))
	}
	return texts
}

func (r row) slugs(name string) []blue.ExpertSlug {
	var slugs []blue.ExpertSlug
	for _, s := range r.texts(name) {
		slugs = append(slugs, blue.ExpertSlug(s))
	}
	if slugs == nil && r.m[name] != nil {
		return []blue.ExpertSlug{}
	}
	return slugs
}

func (r row) id(name string) blue.EntityID {
	id, err := blue.ParseEntityID(r.text(name))
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func (r row) json(name string) json.RawMessage {
	if r.m[name] == nil {
		return nil
	}
	data, err := json.Marshal(r.m[name])
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

func (r *recording) rows(name string) []row {
	var rows []row
	for _, v := range r.export[name].([]any) {
		rows = append(rows, row{r.t, v.(map[string]any)})
	}
	return rows
}

func (r *recording) table(name string) []row {
	var rows []row
	for _, m := range r.tables["alignment_"+name] {
		rows = append(rows, row{r.t, m})
	}
	return rows
}

// snapshot is the dialogue as our store would hold it: the same entities and
// times, references inside their sources, the adopting verdict noted on each
// recommendation, verdicts without computed lists.
func (r *recording) snapshot() *blue.Snapshot {
	s := &blue.Snapshot{}
	r.addDialogue(s)
	r.addExperts(s)
	for _, kind := range blue.NumberedKinds() {
		for _, row := range r.rows(kind.Plural()) {
			e := kind.New()
			*e.Common() = r.contribution(row)
			e.SetText(row.text(kind.TextField()))
			if rec, ok := e.(*blue.Recommendation); ok {
				rec.Parameters = row.json("parameters")
			}
			s.Add(e)
		}
	}
	r.addRounds(s)
	r.addEvents(s)
	r.addVerdicts(s)
	return s
}

func (r *recording) addDialogue(s *blue.Snapshot) {
	d := row{r.t, r.export["dialogue"].(map[string]any)}
	s.Dialogue = blue.Dialogue{
		ID: blue.DialogueID(d.text("dialogue_id")), Status: blue.Status(d.text("status")),
		CreatedAt: d.time("created_at"), ConvergedAt: d.time("converged_at"),
		TotalRounds: d.number("total_rounds"), TotalAlignment: d.number("total_alignment"),
		Title: d.text("title"), Question: d.text("question"), OutputDir: d.text("output_dir"),
	}
	if raw := d.json("background"); raw != nil {
		if err := json.Unmarshal(raw, &s.Dialogue.Background); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *recording) addExperts(s *blue.Snapshot) {
	for _, e := range r.rows("experts") {
		expert := &blue.Expert{
			Slug: blue.ExpertSlug(e.text("expert_slug")), Tier: blue.Tier(e.text("tier")), Source: blue.ExpertSource(e.text("source")),
			TotalScore: e.number("total_score"), CreatedAt: e.time("created_at"), Role: e.text("role"),
			Description: e.text("description"), Focus: e.text("focus"), CreationReason: e.text("creation_reason"),
		}
		for name, into := range map[string]any{"relevance": &expert.Relevance, "first_round": &expert.FirstRound, "scores": &expert.Scores} {
			if raw := e.json(name); raw != nil {
				if err := json.Unmarshal(raw, into); err != nil {
					r.t.Fatal(err)
				}
			}
		}
		s.Experts = append(s.Experts, expert)
	}
}

func (r *recording) contribution(e row) blue.Contribution {
	c := blue.Contribution{ID: e.id("id"), CreatedAt: e.time("created_at"), Label: e.text("label"), Status: blue.Status(e.text("status")), Contributors: e.slugs("contributors")}
	for _, ref := range r.table("refs") {
		if ref.id("source_id") == c.ID {
			c.References = append(c.References, blue.Reference{Type: blue.RefType(ref.text("ref_type")), Target: ref.id("target_id")})
		}
	}
	return c
}

func (r *recording) addRounds(s *blue.Snapshot) {
	for _, e := range r.table("rounds") {
		round := &blue.RoundRecord{
			Round: blue.Round(e.number("round")), Status: blue.Status(e.text("status")), Title: e.text("title"), CreatedAt: e.time("created_at"),
			Score: e.number("score"), Wisdom: e.number("score_wisdom"), Consistency: e.number("score_consistency"),
			Truth: e.number("score_truth"), Relationships: e.number("score_relationships"),
			OpenTensions: e.number("open_tensions"), NewPerspectives: e.number("new_perspectives"),
			ConvergeSignals: e.number("converge_signals"), PanelSize: e.number("panel_size"),
			Signals: map[blue.ExpertSlug]time.Time{},
		}
		for _, signal := range r.table("convergence_signals") {
			if blue.Round(signal.number("round")) == round.Round {
				round.Signals[blue.ExpertSlug(signal.text("expert_name"))] = signal.time("signaled_at")
			}
		}
		s.Rounds = append(s.Rounds, round)
	}
}

func (r *recording) addEvents(s *blue.Snapshot) {
	for _, kind := range []struct {
		table, column string
		kind          blue.Kind
	}{
		{"perspective_events", "perspective", blue.KindPerspective},
		{"tension_events", "tension", blue.KindTension},
		{"recommendation_events", "rec", blue.KindRecommendation},
	} {
		for _, e := range r.table(kind.table) {
			event := &blue.Event{
				Of:   blue.EntityID{Kind: kind.kind, Round: blue.Round(e.number(kind.column + "_round")), Seq: blue.Seq(e.number(kind.column + "_seq"))},
				Type: e.text("event_type"), Round: blue.Round(e.number("event_round")), CreatedAt: e.time("created_at"),
				Reason: e.text("reason"), Reference: e.text("reference"), ResultID: e.text("result_id"),
			}
			if err := json.Unmarshal([]byte(e.text("actors")), &event.Actors); err != nil {
				r.t.Fatal(err)
			}
			event.Stamp = event.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000000Z")
			s.Events = append(s.Events, event)
		}
	}
	slices.SortStableFunc(s.Events, func(a, b *blue.Event) int {
		return cmp.Or(cmp.Compare(a.EntityKind(), b.EntityKind()), cmp.Compare(a.Of.String(), b.Of.String()), cmp.Compare(a.Stamp, b.Stamp))
	})
}

func (r *recording) addVerdicts(s *blue.Snapshot) {
	for _, v := range r.rows("verdicts") {
		s.Verdicts = append(s.Verdicts, &blue.Verdict{
			ID: blue.VerdictID(v.text("verdict_id")), Type: blue.VerdictType(v.text("verdict_type")), Round: blue.Round(v.number("round")),
			Confidence: v.text("confidence"), CreatedAt: v.time("created_at"), AuthorExpert: blue.ExpertSlug(v.text("author_expert")),
			Recommendation: v.text("recommendation"), Description: v.text("description"), Conditions: v.texts("conditions"), Vote: v.text("vote"),
			SupportingExperts: v.slugs("supporting_experts"), TensionsAccepted: v.texts("tensions_accepted"),
		})
		for _, rec := range s.Recommendations() {
			if slices.Contains(v.texts("recommendations_adopted"), rec.ID.String()) {
				rec.AdoptedInVerdict = blue.VerdictID(v.text("verdict_id"))
			}
		}
	}
}

// parsed writes and reads back our document.
func parsed(t *testing.T, s *blue.Snapshot) map[string]any {
	t.Helper()
	var b bytes.Buffer
	if err := WriteExport(&b, s, time.Date(2026, 12, 1, 9, 30, 0, 5, time.FixedZone("", 3600))); err != nil {
		t.Fatal(err)
	}
	doc, err := parseAny(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return doc.(map[string]any)
}

// TestExportRecorded exports what Blue recorded, brought into our form without any
// store, and compares with Blue's own export. What a store changes does not
// occur here, so only export_blue_test.go looks for listed differences that never do.
func TestExportRecorded(t *testing.T) {
	for _, name := range dialogues {
		t.Run(name, func(t *testing.T) {
			r := readRecording(t, name)
			ours := parsed(t, r.snapshot())
			unlisted, _ := judge(readAllowances(t), name, diffExport(ours, any(r.export)))
			for _, problem := range unlisted {
				t.Error(problem)
			}
			checkCounts(t, name, ours)
		})
	}
}
