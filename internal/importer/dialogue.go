package importer

import (
	"encoding/json"
	"strings"

	blue "github.com/superviber/blue-encrypted-store"
)

// readDialogue makes the create operation: title and question, and what the
// panel was told.
func (r *reader) readDialogue() {
	if !r.decode("expert-pool.json", &r.pool) && r.files["expert-pool.json"] == nil {
		r.note(noteMissing, "expert-pool.json", 0, "no pool; tiers and relevance come from the panels alone")
	}
	question := r.pool.Question
	if question == "" {
		question = r.questionFromBackground()
	}
	if question == "" {
		r.note(noteMissing, "expert-pool.json", 0, "no file states the question")
	}
	title := r.title()
	if title == "" {
		title = question
	}
	if title == "" {
		r.note(noteMissing, "scoreboard.md", 0, "no file states a title")
		title = "Imported dialogue"
	}
	r.src.Title = title
	r.src.add(Op{Kind: opCreate, Dialogue: &blue.NewDialogue{Title: title, Question: question, Background: r.background()}})
}

// title is the subject of the background, else of the scoreboard, else of the
// verdict, without the word that says which file it is.
func (r *reader) title() string {
	for _, try := range []struct{ file, word string }{
		{"background.md", "background"}, {"scoreboard.md", "scoreboard"}, {"verdict.md", "final verdict"}, {"verdict.md", "verdict"},
	} {
		if title := withoutWord(r.files[try.file].title(), try.word); title != "" {
			return title
		}
	}
	return ""
}

// withoutWord strips "Word: " and "Word — " from the front or " - Word" from
// the end; "" if nothing but the word is there.
func withoutWord(title, word string) string {
	lower := strings.ToLower(title)
	const marks = " :-–—"
	if strings.HasPrefix(lower, word) && len(lower) == len(title) {
		return strings.Trim(title[len(word):], marks)
	}
	if strings.HasSuffix(lower, word) && len(lower) == len(title) {
		return strings.Trim(title[:len(title)-len(word)], marks)
	}
	return strings.TrimSpace(title)
}

func (r *reader) questionFromBackground() string {
	d := r.files["background.md"]
	if d == nil {
		return ""
	}
	for _, l := range d.under("question") {
		if text := strings.TrimSpace(l.text); text != "" && headingLevel(text) == 0 {
			return plain(text)
		}
	}
	return ""
}

// background keeps background.md whole as the description; the lists under
// headings that speak of principles or constraints, and the text under
// "Situation" or "Success Criteria", are given their own places as well.
func (r *reader) background() *blue.Background {
	d := r.files["background.md"]
	if d == nil {
		r.note(noteMissing, "background.md", 0, "no file says what the panel was told")
		return nil
	}
	text := strings.TrimSpace(d.text)
	b := &blue.Background{Subject: r.title(), Description: &text}
	if situation := strings.TrimSpace(joined(d.under("situation", "success criteria"))); situation != "" {
		b.Situation = &situation
	}
	constraints := map[string][]string{}
	for _, s := range d.sections {
		if !holdsWord(s.heading, []string{"principle", "constraint"}) {
			continue
		}
		for _, line := range s.body {
			if item, ok := listItem(line); ok {
				key := strings.ReplaceAll(strings.ToLower(s.heading), " ", "_")
				constraints[key] = append(constraints[key], item)
			}
		}
	}
	if len(constraints) > 0 {
		b.Constraints, _ = json.Marshal(constraints)
	}
	return b
}

func joined(lines []numbered) string {
	texts := make([]string, len(lines))
	for i, l := range lines {
		texts[i] = l.text
	}
	return strings.Join(texts, "\n")
}
