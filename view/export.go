package view

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// WriteExport writes a dialogue, exported at the given time, as one JSON
// document in one call of w.Write. The document is Blue's export (Blue, SPEC
// §11) with what Blue leaves out.
//
// Blue's members of the top level are dialogue, experts, perspectives,
// tensions, recommendations, evidence, claims, verdicts, scoreboard and
// exported_at. This project adds references, events, moves, signals, rounds
// and warnings. An absent text, number or list is null. Times are UTC, RFC
// 3339 with nine digits and Z (Blue: +00:00). The members tensions_resolved,
// recommendations_adopted, key_evidence and key_claims of a verdict are not
// stored but computed (Provenance).
//
// The bytes equal the output of Blue's writer, the pretty form of Rust's serde_json:
// two spaces of indent, members sorted by name in byte order, every character
// but '"', '\' and the controls below U+0020 as it is, floats in the shortest
// form and never without a point or an exponent, no line feed at the end.
//
// Errors: any error of w; blue.ErrInvalid if a stored any-JSON member
// (parameters, constraints, ethos_compliance) is not JSON.
func WriteExport(w io.Writer, s *blue.Snapshot, at time.Time) error {
	doc, err := Export(s, at)
	if err != nil {
		return err
	}
	_, err = w.Write(appendValue(nil, doc, 0))
	return err
}

// object is a JSON object. The writer sorts its members.
type object = map[string]any

// Export returns the document of WriteExport as maps, lists ([]any) and values
// (string, bool, int64, blue.Round, float64, json.Number, nil). Its only error is the
// blue.ErrInvalid of WriteExport.
func Export(s *blue.Snapshot, at time.Time) (map[string]any, error) {
	d := &exporter{s: s}
	experts := slices.SortedFunc(slices.Values(s.Experts), func(a, b *blue.Expert) int {
		return cmp.Compare(a.Slug, b.Slug) // as Blue's index returns them
	})
	doc := object{
		"dialogue": d.dialogue(), "experts": exportedList(experts, expertObject), "scoreboard": exportedList(Scoreboard(s), rowObject),
		"references": exportedList(s.Refs(), referenceObject), "events": exportedList(s.Events, eventObject), "moves": exportedList(s.Moves, moveObject),
		"signals": signals(s), "rounds": exportedList(s.Rounds, roundObject), "warnings": exportedList(Warnings(s), warningObject), "exported_at": exportedTime(at),
	}
	for _, kind := range blue.NumberedKinds() {
		entities := slices.SortedStableFunc(slices.Values(s.Numbered(kind)), func(a, b blue.Contributed) int { return a.Common().ID.Compare(b.Common().ID) })
		doc[kind.Plural()] = exportedList(entities, d.numbered)
	}
	doc["verdicts"] = exportedList(sortedVerdicts(s), d.verdict)
	if d.err != nil {
		return nil, d.err
	}
	return doc, nil
}

// ExportEntity returns the object of one entity, as Export returns it in the
// document of its dialogue. Its only error is the blue.ErrInvalid of
// WriteExport.
func ExportEntity(s *blue.Snapshot, e blue.Entity) (map[string]any, error) {
	d := &exporter{s: s}
	o := d.entity(e)
	return o.(object), d.err
}

// An exporter keeps the first error of the any-JSON members.
type exporter struct {
	s   *blue.Snapshot
	g   *Graph // made for the first verdict
	err error
}

func (d *exporter) entity(e blue.Entity) any {
	switch e := e.(type) {
	case blue.Contributed:
		return d.numbered(e)
	case *blue.Expert:
		return expertObject(e)
	case *blue.RoundRecord:
		return roundObject(e)
	case *blue.Verdict:
		return d.verdict(e)
	case *blue.Event:
		return eventObject(e)
	case *blue.Move:
		return moveObject(e)
	}
	return d.dialogue()
}

// anyJSON reads a stored any-JSON member. Absent is null.
func (d *exporter) anyJSON(raw []byte, of string) any {
	if len(raw) == 0 {
		return nil
	}
	v, err := parseAny(raw)
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("%w: %s is not JSON", blue.ErrInvalid, of)
	}
	return v
}

func (d *exporter) dialogue() any {
	s := &d.s.Dialogue
	o := object{
		"dialogue_id": string(s.ID), "title": s.Title, "question": exportedOptional(s.Question), "status": string(s.Status), "output_dir": exportedOptional(s.OutputDir),
		"created_at": exportedTime(s.CreatedAt), "converged_at": exportedTime(s.ConvergedAt), "total_rounds": s.TotalRounds, "total_alignment": s.TotalAlignment,
		"calibrated": s.Calibrated, "background": nil, "domain_id": exportedOptional(s.DomainID), "ethos_id": exportedOptional(s.EthosID),
	}
	if b := s.Background; b != nil {
		o["background"] = object{
			"subject": b.Subject, "description": exportedPointer(b.Description), "situation": exportedPointer(b.Situation),
			"constraints": d.anyJSON(b.Constraints, "background.constraints"),
		}
	}
	return o
}

func expertObject(e *blue.Expert) any {
	o := object{
		"expert_slug": string(e.Slug), "role": e.Role, "description": exportedOptional(e.Description), "focus": exportedOptional(e.Focus), "color": exportedOptional(e.Color),
		"tier": string(e.Tier), "source": string(e.Source), "relevance": exportedPointer(e.Relevance), "creation_reason": exportedOptional(e.CreationReason),
		"scores": byRoundText(e.Scores), "total_score": e.TotalScore, "first_round": exportedPointer(e.FirstRound), "created_at": exportedTime(e.CreatedAt), "raw_content": nil,
	}
	if e.RawContent != nil {
		o["raw_content"] = byRoundText(e.RawContent)
	}
	return o
}

func byRoundText[T any](values map[blue.Round]T) object {
	o := object{}
	for r, v := range values {
		o[fmt.Sprint(int(r))] = v
	}
	return o
}

// numbered returns the object of a numbered entity.
func (d *exporter) numbered(e blue.Contributed) any {
	c := e.Common()
	o := object{
		"id": c.ID.String(), "round": c.ID.Round, "seq": int64(c.ID.Seq), "label": c.Label, c.ID.Kind.TextField(): e.Text(),
		"contributors": exportedTexts(c.Contributors), "status": string(c.Status), "refs": nil, "created_at": exportedTime(c.CreatedAt), "local_id": exportedOptional(c.LocalID),
	}
	if len(c.References) > 0 {
		o["refs"] = exportedList(c.References, func(r blue.Reference) any { return object{"type": string(r.Type), "target": r.Target.String()} })
	}
	if r, ok := e.(*blue.Recommendation); ok {
		o["parameters"] = d.anyJSON(r.Parameters, "parameters of "+r.ID.String())
		o["adopted_in_verdict"] = exportedOptional(string(r.AdoptedInVerdict))
	}
	return o
}

func (d *exporter) verdict(v *blue.Verdict) any {
	if d.g == nil {
		d.g = NewGraph(d.s)
	}
	p := d.g.provenance(v)
	return object{
		"verdict_id": string(v.ID), "verdict_type": string(v.Type), "round": v.Round, "author_expert": exportedOptional(string(v.AuthorExpert)),
		"recommendation": v.Recommendation, "description": v.Description, "conditions": optionalTexts(v.Conditions), "vote": exportedOptional(v.Vote),
		"confidence": exportedOptional(cmp.Or(v.Confidence, v.ConfidenceText)), "tensions_accepted": optionalTexts(v.TensionsAccepted),
		"supporting_experts": optionalTexts(v.SupportingExperts), "created_at": exportedTime(v.CreatedAt), "forced": v.Forced,
		"tensions_resolved": displayIDs(p.TensionsResolved()), "recommendations_adopted": displayIDs(p.RecommendationsAdopted()),
		"key_evidence": displayIDs(p.Evidence), "key_claims": displayIDs(p.Claims),
		"ethos_compliance": d.anyJSON(v.EthosCompliance, "ethos_compliance of verdict "+string(v.ID)),
	}
}

// rowObject nests a row as Blue's export does (SPEC §11).
func rowObject(r ScoreboardRow) any {
	return object{
		"round": r.Round, "velocity": r.Velocity, "open_tensions": r.OpenTensions, "new_perspectives": r.NewPerspectives,
		"converge_signals": r.ConvergeSignals, "panel_size": r.PanelSize, "converge_percent": float64(r.ConvergePercent),
		"score": object{"W": r.Wisdom, "C": r.Consistency, "T": r.Truth, "R": r.Relationships, "total": r.Total},
		"cumulative": object{
			"score": r.CumulativeScore, "W": r.CumulativeWisdom, "C": r.CumulativeConsistency, "T": r.CumulativeTruth, "R": r.CumulativeRelationships,
		},
	}
}

func roundObject(r *blue.RoundRecord) any {
	return object{
		"round": r.Round, "title": exportedOptional(r.Title), "summary": exportedOptional(r.Summary), "status": string(r.Status), "score": r.Score,
		"score_wisdom": r.Wisdom, "score_consistency": r.Consistency, "score_truth": r.Truth, "score_relationships": r.Relationships,
		"open_tensions": r.OpenTensions, "new_perspectives": r.NewPerspectives, "converge_signals": r.ConvergeSignals, "panel_size": r.PanelSize,
		"created_at": exportedTime(r.CreatedAt), "completed_at": exportedTime(r.CompletedAt),
	}
}

// signals returns the signals by round, then expert.
func signals(s *blue.Snapshot) []any {
	all := []any{}
	for _, r := range s.Rounds {
		for _, slug := range slices.Sorted(maps.Keys(r.Signals)) {
			all = append(all, object{"round": r.Round, "expert_name": string(slug), "signaled_at": exportedTime(r.Signals[slug])})
		}
	}
	return all
}

func referenceObject(r blue.Ref) any {
	return object{
		"source_id": r.Source.String(), "source_type": string(rune(r.Source.Kind.Letter())), "ref_type": string(r.Type),
		"target_id": r.Target.String(), "target_type": string(rune(r.Target.Kind.Letter())), "created_at": exportedTime(r.CreatedAt),
	}
}

func eventObject(e *blue.Event) any {
	return object{
		"entity": e.Of.String(), "event_type": e.Type, "event_round": e.Round, "actors": exportedTexts(e.Actors), "reason": exportedOptional(e.Reason),
		"reference": exportedOptional(e.Reference), "result_id": exportedOptional(e.ResultID), "created_at": exportedTime(e.CreatedAt),
	}
}

// moveObject names the expert as displayed. A move that was stored without its
// display form has the lower-case slug of its key.
func moveObject(m *blue.Move) any {
	return object{
		"round": m.Round, "expert_slug": string(cmp.Or(m.Display, m.Expert)), "seq": int64(m.Seq), "move_type": string(m.Type),
		"targets": exportedTexts(m.Targets), "context": exportedOptional(m.Context), "created_at": exportedTime(m.CreatedAt),
	}
}

func warningObject(w blue.Warning) any {
	return object{"type": w.Type, "expert": exportedOptional(string(w.Expert)), "round": exportedPointer(w.Round), "message": w.Message}
}

// exportedList returns a JSON list, not nil.
func exportedList[T any](items []T, each func(T) any) []any {
	l := make([]any, 0, len(items))
	for _, item := range items {
		l = append(l, each(item))
	}
	return l
}

// exportedOptional returns a text, or null for "".
func exportedOptional(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// exportedPointer returns a value, or null for nil.
func exportedPointer[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}

// exportedTexts returns a list of texts, not nil.
func exportedTexts[T ~string](items []T) []any {
	return exportedList(items, func(s T) any { return string(s) })
}

// optionalTexts returns a list of texts, or null for nil.
func optionalTexts[T ~string](items []T) any {
	if items == nil {
		return nil
	}
	return exportedTexts(items)
}

// displayIDs returns a list of ids, or null for an empty one.
func displayIDs(ids []blue.EntityID) any {
	if len(ids) == 0 {
		return nil
	}
	return exportedList(ids, func(id blue.EntityID) any { return id.String() })
}

// exportedTime returns a time as text, or null for the zero time.
func exportedTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000000Z")
}
