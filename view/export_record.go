package view

import (
	"cmp"
	"maps"
	"slices"

	blue "github.com/superviber/blue-encrypted-store"
)

// rowObject nests a row as Blue's export does (SPEC §11).
func rowObject(r ScoreboardRow) any {
	return object{
		"round":            int64(r.Round),
		"score":            object{"W": r.Wisdom, "C": r.Consistency, "T": r.Truth, "R": r.Relationships, "total": r.Total},
		"velocity":         r.Velocity,
		"open_tensions":    r.OpenTensions,
		"new_perspectives": r.NewPerspectives,
		"converge_signals": r.ConvergeSignals,
		"panel_size":       r.PanelSize,
		"converge_percent": float64(r.ConvergePercent),
		"cumulative": object{
			"score": r.CumulativeScore,
			"W":     r.CumulativeWisdom,
			"C":     r.CumulativeConsistency,
			"T":     r.CumulativeTruth,
			"R":     r.CumulativeRelationships,
		},
	}
}

func roundObject(r *blue.RoundRecord) any {
	return object{
		"round":               int64(r.Round),
		"title":               optional(r.Title),
		"summary":             optional(r.Summary),
		"status":              string(r.Status),
		"score":               r.Score,
		"score_wisdom":        r.Wisdom,
		"score_consistency":   r.Consistency,
		"score_truth":         r.Truth,
		"score_relationships": r.Relationships,
		"open_tensions":       r.OpenTensions,
		"new_perspectives":    r.NewPerspectives,
		"converge_signals":    r.ConvergeSignals,
		"panel_size":          r.PanelSize,
		"created_at":          timestamp(r.CreatedAt),
		"completed_at":        timestamp(r.CompletedAt),
	}
}

// signals come by round, then expert.
func (d *builder) signals() []any {
	signals := []any{}
	for _, r := range d.s.Rounds {
		for _, slug := range slices.Sorted(maps.Keys(r.Signals)) {
			signals = append(signals, object{
				"round":       int64(r.Round),
				"expert_name": string(slug),
				"signaled_at": timestamp(r.Signals[slug]),
			})
		}
	}
	return signals
}

func referenceObject(r blue.Ref) any {
	return object{
		"source_id":   r.Source.String(),
		"source_type": letter(r.Source),
		"ref_type":    string(r.Type),
		"target_id":   r.Target.String(),
		"target_type": letter(r.Target),
		"created_at":  timestamp(r.CreatedAt),
	}
}

// letter is a display id's type as Blue's reference table has it: P, R, T, E, C.
func letter(id blue.EntityID) string { return string(rune(id.Kind.Letter())) }

func eventObject(e *blue.Event) any {
	return object{
		"entity":      e.Of.String(),
		"event_type":  e.Type,
		"event_round": int64(e.Round),
		"actors":      texts(e.Actors),
		"reason":      optional(e.Reason),
		"reference":   optional(e.Reference),
		"result_id":   optional(e.ResultID),
		"created_at":  timestamp(e.CreatedAt),
	}
}

// moveObject names the expert as displayed; a move read without its display form
// has the lower-case slug of its key.
func moveObject(m *blue.Move) any {
	return object{
		"round":       int64(m.Round),
		"expert_slug": string(cmp.Or(m.Display, m.Expert)),
		"seq":         int64(m.Seq),
		"move_type":   string(m.Type),
		"targets":     texts(m.Targets),
		"context":     optional(m.Context),
		"created_at":  timestamp(m.CreatedAt),
	}
}

func warningObject(w blue.Warning) any {
	o := object{"type": w.Type, "expert": optional(string(w.Expert)), "round": nil, "message": w.Message}
	if w.Round != nil {
		o["round"] = int64(*w.Round)
	}
	return o
}
