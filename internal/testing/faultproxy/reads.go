package faultproxy

import (
	"encoding/json"
	"slices"
	"strings"
)

// keep stores an answer under a name.
func (p *Proxy) keep(name string, a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.recorded[name] = a
}

// record returns the answer of that name.
func (p *Proxy) record(name string) answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a, ok := p.recorded[name]; ok {
		return a
	}
	return broken("nothing was recorded as " + name)
}

// stored is an item of an answer with its key.
type stored struct {
	pk, sk string
	text   json.RawMessage
}

// mix returns the answer to a Query with the old items as in then.
func mix(now, then answer, old func(pk, sk string) bool) answer {
	if then.status != 200 || now.status != 200 {
		return then
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(now.body, &body); err != nil {
		return broken("Mix of an answer that is not JSON")
	}
	fresh, err := items(now)
	if err != nil {
		return broken("Mix: " + err.Error())
	}
	stale, err := items(then)
	if err != nil {
		return broken("Mix: " + err.Error())
	}
	fresh = slices.DeleteFunc(fresh, func(s stored) bool { return old(s.pk, s.sk) })
	stale = slices.DeleteFunc(stale, func(s stored) bool { return !old(s.pk, s.sk) })
	mixed := append(fresh, stale...)
	slices.SortFunc(mixed, func(a, b stored) int { return strings.Compare(a.sk, b.sk) })
	texts := make([]json.RawMessage, len(mixed))
	for i, s := range mixed {
		texts[i] = s.text
	}
	body["Items"] = mustMarshal(texts)
	body["Count"] = mustMarshal(len(texts))
	body["ScannedCount"] = body["Count"]
	now.body = mustMarshal(body)
	return now
}

// items reads the Items of an answer. Their keys are PK and SK, both strings.
func items(a answer) ([]stored, error) {
	var body struct{ Items []json.RawMessage }
	if err := json.Unmarshal(a.body, &body); err != nil {
		return nil, err
	}
	all := make([]stored, len(body.Items))
	for i, text := range body.Items {
		var key struct{ PK, SK struct{ S string } }
		if err := json.Unmarshal(text, &key); err != nil {
			return nil, err
		}
		all[i] = stored{key.PK.S, key.SK.S, text}
	}
	return all, nil
}

func mustMarshal(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic("faultproxy: " + err.Error())
	}
	return text
}
