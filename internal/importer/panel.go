package importer

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	blue "github.com/superviber/blue-encrypted-store"
)

// poolFile is expert-pool.json.
type poolFile struct {
	Domain   string       `json:"domain"`
	Question string       `json:"question"`
	Experts  []poolExpert `json:"experts"`
}

type poolExpert struct {
	Role      string   `json:"role"`
	Tier      string   `json:"tier"`
	Relevance *float64 `json:"relevance"`
	Focus     string   `json:"focus"`
}

// panelFile is round-N/panel.json in either of its two forms.
type panelFile struct {
	Panel   []member `json:"panel"`
	Agents  []member `json:"agents"`
	History struct {
		Experts []member `json:"experts"`
	} `json:"history"`
}

type member struct {
	Name      string   `json:"name"`
	Role      string   `json:"role"`
	Tier      string   `json:"tier"`
	Source    string   `json:"source"`
	Relevance *float64 `json:"relevance"`
	Focus     string   `json:"focus"`
	Reason    string   `json:"creation_reason"`
}

// decode reads a JSON file of the folder; a file that is absent or cannot be
// read is a note.
func (r *reader) decode(path string, into any) bool {
	d, ok := r.files[path]
	if !ok {
		return false
	}
	if err := json.Unmarshal([]byte(d.text), into); err != nil {
		where := operationsOffset(err, int64(len(d.text)))
		r.note(noteUnplaced, path, strings.Count(d.text[:max(0, min(where, int64(len(d.text))))], "\n")+1, "is not the JSON it should be: %s", sourcePosition([]byte(d.text), where))
		return false
	}
	return true
}

// readPanel returns the round's members: those of panel.json, then the other
// writers of the round.
func (r *reader) readPanel(round blue.Round) []member {
	path := fmt.Sprintf("round-%d/panel.json", round)
	var file panelFile
	known := r.decode(path, &file)
	panel := append(file.Panel, file.Agents...)
	for i, m := range panel {
		if j := slices.IndexFunc(file.History.Experts, func(h member) bool { return h.Name == m.Name }); j >= 0 && m.Source == "" {
			panel[i].Source = file.History.Experts[j].Source
		}
	}
	listed := map[string]bool{}
	panel = slices.DeleteFunc(panel, func(m member) bool {
		slug, err := blue.ParseExpertSlug(m.Name)
		isDouble := listed[slug.Key()]
		if err != nil {
			r.note(noteUnplaced, path, 0, "names an expert %q, which cannot be a slug", m.Name)
		} else if isDouble {
			r.note(noteContradiction, path, 0, "names %s twice", m.Name)
		}
		listed[slug.Key()] = err == nil
		return err != nil || isDouble
	})
	if !known {
		r.note(noteMissing, path, 0, "no panel; all writers of the round are on it")
	}
	for _, expert := range r.writers(round) {
		if slices.ContainsFunc(panel, func(m member) bool { return sameExpert(m.Name, expert) }) {
			continue
		}
		if known {
			r.note(noteContradiction, r.expertPath[writer{round, blue.ExpertSlug(expert).Key()}], 0, "%s writes in round %d, but the round's panel of %d has no %s", expert, round, len(panel), expert)
		}
		panel = append(panel, member{Name: expert})
	}
	return panel
}

func sameExpert(a, b string) bool { return blue.ExpertSlug(a).Key() == blue.ExpertSlug(b).Key() }

// register adds the operations of the members that no earlier panel had and
// compares the others with what was said of them before.
func (r *reader) register(round blue.Round, panel []member) {
	path := fmt.Sprintf("round-%d/panel.json", round)
	for _, m := range panel {
		key := blue.ExpertSlug(m.Name).Key()
		if before, ok := r.experts[key]; ok {
			r.sameFacts(path, m, before)
			continue
		}
		expert := r.newExpert(path, round, m)
		r.experts[key] = expert
		kind := opExpert
		if expert.Source == "created" {
			kind = opExpertCreate
		}
		r.src.add(Op{Kind: kind, Expert: expert})
	}
}

// newExpert joins what the panel, the pool and the scoreboard know of one member.
func (r *reader) newExpert(path string, round blue.Round, m member) *blue.NewExpert {
	role := cmp.Or(m.Role, r.boardRoles[blue.ExpertSlug(m.Name).Key()])
	var pool poolExpert
	inPool := false
	if i := slices.IndexFunc(r.pool.Experts, func(p poolExpert) bool { return p.Role == role }); i >= 0 {
		pool, inPool = r.pool.Experts[i], true
	}
	if role == "" {
		r.note(noteMissing, path, 0, "no file says what %s is", m.Name)
		role = "Expert"
	}
	first := round
	e := &blue.NewExpert{Slug: blue.ExpertSlug(m.Name), Role: role, FirstRound: &first,
		Focus: cmp.Or(m.Focus, pool.Focus), Relevance: cmp.Or(m.Relevance, pool.Relevance), Tier: r.tier(path, m.Name, cmp.Or(m.Tier, pool.Tier))}
	switch e.Source = blue.ExpertSource(m.Source); {
	case m.Source == "" && inPool, m.Source == "" && len(r.pool.Experts) == 0:
		e.Source = "pool"
	case m.Source == "":
		r.note(noteMissing, path, 0, "no file says where %s comes from, and the pool has no %q; stored as created", m.Name, role)
		e.Source = "created"
	case !e.Source.Valid():
		r.note(noteUnplaced, path, 0, "%s comes from %q, which is none of pool, created and retained; stored as pool", m.Name, m.Source)
		e.Source = "pool"
	case e.Source == "retained":
		r.note(noteContradiction, path, 0, "%s is retained in round %d, but 0 earlier panels have %s", m.Name, round, m.Name)
	}
	if e.Source == "created" {
		e.CreationReason = cmp.Or(m.Reason, fmt.Sprintf("created for the panel of round %d", round))
	}
	return e
}

// tier reads core, adjacent and wildcard in any case.
func (r *reader) tier(path, name, text string) blue.Tier {
	first, size := utf8.DecodeRuneInString(text)
	tier := blue.Tier(string(unicode.ToUpper(first)) + strings.ToLower(text[size:]))
	switch {
	case text == "":
		r.note(noteMissing, path, 0, "no file says the tier of %s; stored as Core", name)
	case !tier.Valid():
		r.note(noteUnplaced, path, 0, "%s has the tier %q, which is none of Core, Adjacent and Wildcard; stored as Core", name, text)
	default:
		return tier
	}
	return "Core" // Blue's own default
}

// sameFacts notes where a later panel says something else of a member; the
// first panel stands.
func (r *reader) sameFacts(path string, m member, e *blue.NewExpert) {
	if m.Role != "" && m.Role != e.Role {
		r.note(noteContradiction, path, 0, "%s is %q here, %q before", m.Name, m.Role, e.Role)
	}
	if m.Relevance != nil && e.Relevance != nil && *m.Relevance != *e.Relevance {
		r.note(noteContradiction, path, 0, "the relevance of %s is %v here, %v before", m.Name, *m.Relevance, *e.Relevance)
	}
}
