package view

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"time"

	blue "github.com/superviber/blue-encrypted-store"
)

// WriteExport writes the document of a dialogue, exported at the given time, in one
// call of w.Write. The errors are the writer's, and blue.ErrInvalid if a
// stored any-JSON member (parameters, constraints, ethos_compliance) is none.
func WriteExport(w io.Writer, s *blue.Snapshot, at time.Time) error {
	doc, err := Export(s, at)
	if err != nil {
		return err
	}
	_, err = w.Write(appendValue(nil, doc, 0))
	return err
}

// object is a JSON object; the writer sorts its members.
type object = map[string]any

// Export returns the document of WriteExport as maps, lists ([]any) and values (string,
// bool, int64, float64, json.Number, nil). The errors are those of WriteExport.
func Export(s *blue.Snapshot, at time.Time) (map[string]any, error) {
	d := &builder{s: s}
	doc := object{
		"dialogue":    d.dialogue(),
		"experts":     d.experts(),
		"scoreboard":  list(Scoreboard(s), rowObject),
		"references":  list(s.Refs(), referenceObject),
		"events":      list(s.Events, eventObject),
		"moves":       list(s.Moves, moveObject),
		"signals":     d.signals(),
		"rounds":      list(s.Rounds, roundObject),
		"warnings":    list(Warnings(s), warningObject),
		"exported_at": timestamp(at),
	}
	for _, kind := range blue.NumberedKinds() {
		doc[kind.Plural()] = list(sorted(s.Numbered(kind)), d.contribution)
	}
	doc["verdicts"] = d.verdicts()
	if d.err != nil {
		return nil, d.err
	}
	return doc, nil
}

// ExportEntity returns the object of one entity as the document of its dialogue holds
// it. The errors are those of WriteExport.
func ExportEntity(s *blue.Snapshot, e blue.Entity) (map[string]any, error) {
	d := &builder{s: s}
	var o any
	switch e := e.(type) {
	case blue.Contributed:
		o = d.contribution(e)
	case *blue.Expert:
		o = expertObject(e)
	case *blue.RoundRecord:
		o = roundObject(e)
	case *blue.Verdict:
		o = d.verdict(e)
	case *blue.Event:
		o = eventObject(e)
	case *blue.Move:
		o = moveObject(e)
	default:
		o = d.dialogue()
	}
	return o.(object), d.err
}

// builder keeps the first error of the any-JSON members.
type builder struct {
	s   *blue.Snapshot
	g   *Graph // made for the first verdict
	err error
}

// anyJSON reads a stored any-JSON member; absent is null.
func (d *builder) anyJSON(raw []byte, of string) any {
	if len(raw) == 0 {
		return nil
	}
	v, err := parseAny(raw)
	if err != nil && d.err == nil {
		d.err = fmt.Errorf("%w: %s is not JSON", blue.ErrInvalid, of)
	}
	return v
}

func (d *builder) dialogue() any {
	s := &d.s.Dialogue
	return object{
		"dialogue_id":     string(s.ID),
		"title":           s.Title,
		"question":        optional(s.Question),
		"status":          string(s.Status),
		"created_at":      timestamp(s.CreatedAt),
		"converged_at":    timestamp(s.ConvergedAt),
		"total_rounds":    s.TotalRounds,
		"total_alignment": s.TotalAlignment,
		"output_dir":      optional(s.OutputDir),
		"calibrated":      s.Calibrated,
		"background":      d.background(s.Background),
		"domain_id":       optional(s.DomainID),
		"ethos_id":        optional(s.EthosID),
	}
}

func (d *builder) background(b *blue.Background) any {
	if b == nil {
		return nil
	}
	return object{
		"subject":     b.Subject,
		"description": pointer(b.Description),
		"constraints": d.anyJSON(b.Constraints, "background.constraints"),
		"situation":   pointer(b.Situation),
	}
}

// experts come in the byte order of their displayed slugs, as Blue's index
// returns them.
func (d *builder) experts() []any {
	experts := slices.SortedFunc(slices.Values(d.s.Experts), func(a, b *blue.Expert) int { return cmp.Compare(a.Slug, b.Slug) })
	return list(experts, expertObject)
}

func expertObject(e *blue.Expert) any {
	scores, raw := object{}, object{}
	for r, n := range e.Scores {
		scores[fmt.Sprint(int(r))] = n
	}
	for r, text := range e.RawContent {
		raw[fmt.Sprint(int(r))] = text
	}
	o := object{
		"expert_slug":     string(e.Slug),
		"role":            e.Role,
		"description":     optional(e.Description),
		"focus":           optional(e.Focus),
		"tier":            string(e.Tier),
		"source":          string(e.Source),
		"relevance":       pointer(e.Relevance),
		"creation_reason": optional(e.CreationReason),
		"scores":          scores,
		"total_score":     e.TotalScore,
		"first_round":     nil,
		"created_at":      timestamp(e.CreatedAt),
		"color":           optional(e.Color),
		"raw_content":     nil,
	}
	if e.FirstRound != nil {
		o["first_round"] = int64(*e.FirstRound)
	}
	if e.RawContent != nil {
		o["raw_content"] = raw
	}
	return o
}

// contribution is a numbered entity.
func (d *builder) contribution(e blue.Contributed) any {
	c := e.Common()
	o := object{
		"id":                  c.ID.String(),
		"round":               int64(c.ID.Round),
		"seq":                 int64(c.ID.Seq),
		"label":               c.Label,
		c.ID.Kind.TextField(): e.Text(),
		"contributors":        texts(c.Contributors),
		"status":              string(c.Status),
		"refs":                nil,
		"created_at":          timestamp(c.CreatedAt),
		"local_id":            optional(c.LocalID),
	}
	if len(c.References) > 0 {
		o["refs"] = list(c.References, func(r blue.Reference) any {
			return object{"type": string(r.Type), "target": r.Target.String()}
		})
	}
	if r, ok := e.(*blue.Recommendation); ok {
		o["parameters"] = d.anyJSON(r.Parameters, "parameters of "+r.ID.String())
		o["adopted_in_verdict"] = optional(string(r.AdoptedInVerdict))
	}
	return o
}

func (d *builder) verdicts() []any {
	verdicts := slices.SortedStableFunc(slices.Values(d.s.Verdicts), func(a, b *blue.Verdict) int {
		return cmp.Or(cmp.Compare(a.Round, b.Round), a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list(verdicts, d.verdict)
}

func (d *builder) verdict(v *blue.Verdict) any {
	o := object{
		"verdict_id":              string(v.ID),
		"verdict_type":            string(v.Type),
		"round":                   int64(v.Round),
		"author_expert":           optional(string(v.AuthorExpert)),
		"recommendation":          v.Recommendation,
		"description":             v.Description,
		"conditions":              optionalTexts(v.Conditions),
		"vote":                    optional(v.Vote),
		"confidence":              optional(cmp.Or(v.Confidence, v.ConfidenceText)),
		"tensions_accepted":       optionalTexts(v.TensionsAccepted),
		"supporting_experts":      optionalTexts(v.SupportingExperts),
		"created_at":              timestamp(v.CreatedAt),
		"tensions_resolved":       nil,
		"recommendations_adopted": nil,
		"key_evidence":            nil,
		"key_claims":              nil,
		"ethos_compliance":        d.anyJSON(v.EthosCompliance, "ethos_compliance of verdict "+string(v.ID)),
		"forced":                  v.Forced,
	}
	if d.g == nil {
		d.g = NewGraph(d.s)
	}
	if p, err := d.g.Provenance(v.ID); err == nil {
		o["tensions_resolved"], o["recommendations_adopted"] = displayIDs(d.g.TensionsResolved(v.ID)), displayIDs(d.g.RecommendationsAdopted(v.ID))
		o["key_evidence"], o["key_claims"] = displayIDs(p.Evidence), displayIDs(p.Claims)
	}
	return o
}
