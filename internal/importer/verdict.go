package importer

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// verdictFile returns verdict.md, else CONVERGENCE.md.
func (r *reader) verdictFile() *document {
	return cmp.Or(r.files["verdict.md"], r.files["CONVERGENCE.md"])
}

var sectionNumber = regexp.MustCompile(`^\d+\.\s+`)

// recommend makes a recommendation of the judge of each decision in the
// verdict: the rows of Topic | Decision, and the sections with Aspect | Decision.
func (r *reader) recommend(a *assembly) {
	d := r.verdictFile()
	if d == nil {
		return
	}
	for _, t := range d.tables {
		switch {
		case t.col("Topic") == 0 && t.col("Decision") == 1:
			for _, found := range t.rows {
				topic, decision := filledMarker(found.cell(0), found.cell(1))
				if topic == "" {
					continue
				}
				r.recommendation(a, d, found.line, blue.Draft{Label: topic, Text: decision, Parameters: tableObject([]row{{cells: []string{"topic", topic}}})})
			}
		case t.col("Aspect") == 0 && t.col("Decision") == 1:
			r.recommendSection(a, d, t)
		}
	}
}

func (r *reader) recommendSection(a *assembly, d *document, t table) {
	label := sectionNumber.ReplaceAllString(t.heading, "")
	var refs []blue.RefDraft
	if head, names, ok := strings.Cut(label, "("); ok {
		for name := range strings.SplitSeq(strings.TrimSuffix(names, ")"), ",") {
			if id, ok := r.names.find(name, "", a.round); ok && id.Kind == blue.KindTension {
				refs = addRef(refs, "address", id)
				label = strings.TrimSpace(head)
			}
		}
	}
	var texts []string
	for _, row := range t.rows {
		texts = append(texts, row.cell(0)+": "+row.cell(1))
	}
	label, text := filledMarker(label, strings.Join(texts, "; "))
	if label == "" {
		return
	}
	r.recommendation(a, d, t.line, blue.Draft{Label: label, Text: text, References: refs, Parameters: tableObject(t.rows)})
}

func (r *reader) recommendation(a *assembly, d *document, line int, draft blue.Draft) {
	r.draft(a, blue.KindRecommendation, []blue.ExpertSlug{blue.Judge}, 0, draft, sourcePlace{d.path, line})
}

// tableObject returns a JSON object of the first two columns that keeps the
// table's order. A key that comes twice keeps its first text; the other one stands
// in the content.
func tableObject(rows []row) json.RawMessage {
	var b strings.Builder
	seen := map[string]bool{}
	for _, row := range rows {
		if seen[row.cell(0)] {
			continue
		}
		seen[row.cell(0)] = true
		key, _ := json.Marshal(row.cell(0))
		text, _ := json.Marshal(row.cell(1))
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(key) + ":" + string(text))
	}
	return json.RawMessage("{" + b.String() + "}")
}

// readVerdict makes the one verdict. Its description is the file, whole.
func (r *reader) readVerdict() {
	d := r.verdictFile()
	if d == nil {
		r.note(noteMissing, "verdict.md", 0, "no verdict")
		return
	}
	if d.path == "verdict.md" && r.files["CONVERGENCE.md"] != nil {
		r.note(noteUnplaced, "CONVERGENCE.md", 0, "a second verdict; verdict.md is the one that is read")
	}
	last := r.rounds[len(r.rounds)-1]
	v := &blue.NewVerdict{ID: "final", Type: blue.VerdictFinal, Round: last, Description: strings.TrimSpace(d.text)}
	v.Recommendation = r.answer(d)
	v.Conditions = conditions(d)
	for _, op := range r.signals {
		v.SupportingExperts = append(v.SupportingExperts, op.Signal.Expert)
	}
	r.readStatedVerdict(d, v)
	r.readTensionsOf(d, v)
	r.readAdopted(d, v)
	if v.Description == "" {
		r.note(noteMissing, d.path, 0, "the verdict is empty")
		return
	}
	r.src.add(Op{Kind: opVerdict, Verdict: v})
}

// answer is what stands under "Answer …" or "Recommendation": a heading below
// it, if there is one, and the first sentence.
func (r *reader) answer(d *document) string {
	var head, text string
	for _, l := range d.under("answer", "recommendation:", "decision:") {
		line := strings.TrimSpace(l.text)
		if level := headingLevel(line); level > 0 {
			head, text = plainMarkdown(line[level:]), ""
			continue
		}
		if text = plainMarkdown(line); text != "" && (head != "" || !strings.HasSuffix(text, "?")) {
			break
		}
	}
	if answer := strings.TrimSpace(head + " " + firstSentence(text)); answer != "" {
		return answer
	}
	var labels []string
	for _, draft := range r.batches[len(r.batches)-1].Drafts[blue.KindRecommendation] {
		labels = append(labels, draft.Label)
	}
	r.note(noteMissing, d.path, 0, "the verdict has no section that answers; its recommendation is the list of its %d decisions", len(labels))
	if len(labels) == 0 {
		return cmp.Or(d.title(), "See the description")
	}
	return "Adopt the decisions: " + strings.Join(labels, "; ")
}

// firstSentence ends at the first full stop that a blank or the end follows.
func firstSentence(text string) string {
	if i := strings.Index(text, ". "); i >= 0 {
		return text[:i+1]
	}
	return text
}

// conditions are the items of the list under "Conditions", else under "What
// this means", without the bold word before a colon.
func conditions(d *document) []string {
	var list []string
	for _, words := range []string{"condition", "what this means"} {
		for _, l := range d.under(words) {
			if item, ok := listItem(l.text); ok {
				if word, rest, found := strings.Cut(item, "**: "); found && strings.HasPrefix(word, "**") {
					item = rest
				}
				list = append(list, item)
			}
		}
		if list != nil {
			return list
		}
	}
	return nil
}

var (
	fieldLine   = regexp.MustCompile(`^\**(Type|Vote|Confidence|Id|Author)(?:\**:\**|:\*\*)\s*(.+)$`)
	unanimous   = regexp.MustCompile(`(\d+)/(\d+) unanimous`)
	convergence = regexp.MustCompile(`(?i)100% convergence`)
)

// readStatedVerdict reads "**Vote:** 5-0" and its like; a scoreboard that says
// "6/6 unanimous" gives the vote as well.
func (r *reader) readStatedVerdict(d *document, v *blue.NewVerdict) {
	if convergence.MatchString(d.title()) || convergence.MatchString(d.text) {
		v.Confidence = "unanimous"
	}
	if board := r.files["scoreboard.md"]; board != nil {
		if m := unanimous.FindStringSubmatch(board.text); m != nil && m[1] == m[2] {
			v.Vote, v.Confidence = m[1]+"-0", "unanimous"
		}
	}
	for i, line := range d.lines {
		m := fieldLine.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		switch text := strings.TrimSpace(m[2]); m[1] {
		case "Vote":
			v.Vote = text
		case "Confidence":
			v.Confidence = text
		case "Type":
			if kind := blue.VerdictType(strings.ToLower(text)); kind.Valid() {
				v.Type = kind
			} else {
				r.note(noteUnplaced, d.path, i+1, "%q is no type of verdict; stored as %s", text, v.Type)
			}
		case "Id":
			if id, err := blue.ParseVerdictID(text); err == nil {
				v.ID = id
			} else {
				r.note(noteUnplaced, d.path, i+1, "%q is no verdict's id; stored as %s", text, v.ID)
			}
		case "Author":
			if slug, err := blue.ParseExpertSlug(text); err == nil {
				v.AuthorExpert = slug
			}
		}
	}
}

// readTensionsOf lists what the verdict claims as resolved, and what the last
// table of statuses calls accepted.
func (r *reader) readTensionsOf(d *document, v *blue.NewVerdict) {
	for _, row := range d.rowsOf(listsResolved) {
		if id, ok := r.names.find(row.get("ID"), "", v.Round); ok && !slices.Contains(v.TensionsResolved, id.String()) {
			v.TensionsResolved = append(v.TensionsResolved, id.String())
		}
	}
	for _, id := range r.names.order {
		if r.said[id] == "ACCEPTED" {
			v.TensionsAccepted = append(v.TensionsAccepted, id.String())
		}
	}
}

// readAdopted lists the judge's decisions, and the names under "Recommendations
// adopted", "Key evidence" and "Key claims".
func (r *reader) readAdopted(d *document, v *blue.NewVerdict) {
	for i, draft := range r.batches[len(r.batches)-1].Drafts[blue.KindRecommendation] {
		if slices.Contains(draft.Contributors, blue.Judge) {
			v.RecommendationsAdopted = append(v.RecommendationsAdopted, blue.EntityID{Kind: blue.KindRecommendation, Round: v.Round, Seq: blue.Seq(i + 1)}.String())
		}
	}
	for _, list := range []struct {
		word string
		kind blue.Kind
		into *[]string
	}{
		{"recommendations adopted", blue.KindRecommendation, &v.RecommendationsAdopted},
		{"key evidence", blue.KindEvidence, &v.KeyEvidence},
		{"key claims", blue.KindClaim, &v.KeyClaims},
	} {
		for _, l := range d.under(list.word) {
			item, ok := listItem(l.text)
			if !ok {
				continue
			}
			name, _, _ := strings.Cut(item, ":")
			id, found := r.names.find(name, "", v.Round)
			if !found || id.Kind != list.kind {
				r.note(noteUnplaced, d.path, l.line, "%q names no known %s", strings.TrimSpace(name), list.kind)
				continue
			}
			if !slices.Contains(*list.into, id.String()) {
				*list.into = append(*list.into, id.String())
			}
		}
	}
}
