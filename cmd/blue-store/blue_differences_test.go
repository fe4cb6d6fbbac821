package main

import (
	"encoding/json"
	"strings"
)

// difference is a deliberate difference between the answers of Blue and of this
// program. Bug numbers refer to Blue's specification, §13.
type difference struct {
	step   int
	reason string
	apply  func(expected) expected
}

// with sets a member of Blue's answer, for example with("registered.refs", "1").
func with(path, value string) func(expected) expected {
	return func(want expected) expected {
		var members []string
		if path != "" {
			members = strings.Split(path, ".")
		}
		var v any
		if err := json.Unmarshal([]byte(value), &v); err != nil {
			panic(err)
		}
		want.stdout = setMember(want.stdout, members, v)
		return want
	}
}

// setMember returns a copy of a JSON value with one member set.
func setMember(object any, path []string, value any) any {
	if len(path) == 0 {
		return value
	}
	old, _ := object.(map[string]any)
	changed := map[string]any{}
	for key, v := range old {
		changed[key] = v
	}
	changed[path[0]] = setMember(changed[path[0]], path[1:], value)
	return changed
}

// refusedWith expects a failed validation with exactly these errors, each as
// "field: code".
func refusedWith(errs ...string) func(expected) expected {
	return func(expected) expected { return expected{exit: exitRefused, codes: errs} }
}

// exits expects another exit code than the one for Blue's.
func exits(code int) func(expected) expected {
	return func(want expected) expected {
		want.exit = code
		return want
	}
}

// answers expects another answer than Blue's.
func answers(code int, stdout string) func(expected) expected {
	return func(want expected) expected {
		want.exit = code
		return with("", stdout)(want)
	}
}

// warned expects warnings of an answer, each as [type, message].
func warned(warnings ...[2]string) func(expected) expected {
	return func(want expected) expected {
		want.warnings = warnings
		return want
	}
}

const (
	refsCounted = "bug 6: stored references are counted"
	warns       = "what is accepted and not stored is named in warnings"
	claimsWarn  = "what a verdict claims is compared with the graph"
)

var deliberate = map[string][]difference{
	"expand_multibyte_snippet_panic": {{2, "bug 19: a snippet ends before the character that does not fit", answers(exitOK, `[{"ok":{
		"content":"`+oddText+`","content_snippet":"`+oddText[:199]+`...","contributors":["Muffin"],"display_id":"P0102",
		"entity_type":"P","label":"utf8-odd","parameters":null,"round":1,"seq":2,"status":null}}]`)}},
	"expert_unknown_tier": {{0, "bug 18: an unknown tier is refused, not taken for Core",
		refusedWith("tier: invalid_status_transition")}},
	"invalid_display_id_local": {{0, "a local id of the same batch is resolved, as Blue's design says and its program does not", answers(exitOK,
		`{"dialogue_id":"error-cases","message":"Registered round 1 data for dialogue 'error-cases'","registered":{"claims":[],"evidence":[],
		"expert_scores":[],"perspectives":[{"global_id":"P0101","local_id":"MUFFIN-P0101"},{"global_id":"P0102","local_id":"MUFFIN-P0102"}],
		"recommendations":[],"refs":1,"tensions":[]},"round":1,"score":1,"status":"success"}`)}},
	"passes_bad_refs_on_evidence_and_claims": {{0, "bug 22: references of evidence and claims are checked", refusedWith(
		"evidence[0].references[0].type: invalid_ref_type", "evidence[0].references[1]: invalid_ref_target",
		"evidence[0].references[2]: invalid_ref_target", "evidence[0].references[3].target: invalid_display_id",
		"claims[0].references[0].type: invalid_ref_type", "claims[0].references[1]: invalid_ref_target",
		"claims[0].references[2]: invalid_ref_target")}},
	"passes_contributors_not_a_list": {{0, warns, warned([2]string{"unknown_field", "perspectives[0].contributors is not a list and was ignored"})}},
	"passes_dangling_ref":            {{0, refsCounted, with("registered.refs", "1")}},
	"passes_duplicate_ref":           {{0, refsCounted, with("registered.refs", "1")}},
	"data_not_object":                {{0, "a list is no object at all: malformed, not refused", exits(exitUsage)}},
	"expert_no_reason":               {{0, "a missing flag is named as one", exits(exitUsage)}},
	"expert_no_first_round":          {{0, "a missing flag is named as one", exits(exitUsage)}},
	"round_flag_negative":            {{0, "-1 is a number, out of range", exits(exitRefused)}},
	"passes_negative_round_in_data":  {{0, "bugs 4 and 25: data that name another round than the request are refused", refusedWith("round: invalid_round")}},
	"passes_not_arrays": {{0, warns, warned(
		[2]string{"unknown_field", "expert_scores is not an object and was ignored"},
		[2]string{"unknown_field", "perspectives is not a list and was ignored"},
		[2]string{"unknown_field", "tensions is not a list and was ignored"})}},
	"passes_ref_empty_type_or_target": {{0, "bug 23: a reference without type or target is refused", refusedWith(
		"perspectives[0].references[0].type: invalid_ref_type", "perspectives[0].references[1].target: invalid_display_id",
		"perspectives[0].references[2].type: invalid_ref_type", "perspectives[0].references[2].target: invalid_display_id")}},
	"passes_resolve_ref_without_update": {{0, refsCounted, with("registered.refs", "1")}},
	"passes_round_100": {
		{0, "bug 9: a round beyond 99 is refused", refusedWith("round: invalid_round")},
		{1, "bug 9", refusedWith("round: invalid_round", "perspectives[0].references[0].target: invalid_display_id")},
	},
	"passes_score_overflow": {{0, "bug 12: a number is stored whole or refused", with("score", "4294967303")}},
	"passes_seq_100":        {{0, "bug 9: more than 99 of a kind cannot be numbered", refusedWith("perspectives: invalid_round")}},
	"passes_signed_display_id": {{0, "bug 11: digits are digits", refusedWith(
		"perspectives[0].references[0].target: invalid_display_id", "perspectives[0].references[1].target: invalid_display_id")}},
	"passes_tension_update_bad_status": {{0, "bug 18: an unknown status is refused", refusedWith("tension_updates[0].status: invalid_status_transition")}},
	"passes_tension_update_unknown":    {{0, "bug 24: an update of no tension is refused", refusedWith("tension_updates[0].id: entity_not_found")}},
	"passes_unknown_expert": {
		{0, "bug 7: only stored scores are reported", with("registered.expert_scores", `[{"expert_slug":"Muffin","score":4}]`)},
		{0, warns, warned(
			[2]string{"unknown_field", "expert_scores.Cupcake is not an integer and was ignored"},
			[2]string{"unknown_expert", "Expert 'Nobody' is not in this dialogue; nothing was stored for it"})},
	},
	"passes_unknown_keys": {
		{0, "moves are stored, as Blue's design says", with("registered.moves", "1")},
		{0, warns, warned([2]string{"unknown_field", "unknown field foo was ignored"})},
	},
	"verdict_changes_no_entity": {{0, claimsWarn, warned(
		[2]string{"verdict_claim", `verdict V01 adopts "R0001", which is no recommendation of this dialogue`},
		[2]string{"verdict_claim", "verdict V01: tensions_resolved names T0001, which is open"})}},
	"verdict_drops_evidence_claims_ethos": {{0, claimsWarn + " (bug 15)", warned(
		[2]string{"verdict_claim", "verdict V01: key_evidence names E0001, which is not in the dialogue"},
		[2]string{"verdict_claim", "verdict V01: key_claims names C0001, which is not in the dialogue"})}},
	"verdict_unknown_ids": {{0, claimsWarn, warned(
		[2]string{"unknown_field", "tensions_resolved[1] is not a text and was ignored"},
		[2]string{"verdict_claim", `verdict V01 adopts "R0001", which is no recommendation of this dialogue`},
		[2]string{"verdict_claim", "verdict V01: tensions_resolved names T0099, which is not in the dialogue"},
		[2]string{"verdict_claim", `verdict V01: tensions_resolved names "junk", which is no id of a tension`})}},
}

var oddText = "x" + strings.Repeat("é", 101)

const (
	asShipped = "a project as Blue itself makes it: its tables are missing, ours cannot be"
	faulted   = "a fault that a trigger of Blue's database injects"
	library   = "a call of Blue's library that no command makes"
	noContext = "round-context is no command of this version"
)

var notRun = map[string]string{
	"create_too_many":                  "99 rows inserted by SQL; see TestTooManySimilarTitles",
	"hidden_error_tension_update":      faulted,
	"partial_write":                    faulted,
	"round_context_unknown":            noContext,
	"shipped_fresh_create_dialogue":    asShipped,
	"shipped_fresh_expert_create":      asShipped,
	"shipped_fresh_export":             asShipped,
	"shipped_fresh_round_register":     asShipped,
	"shipped_fresh_verdict_final":      asShipped,
	"shipped_fresh_verdict_interim":    asShipped,
	"shipped_upgraded_expert_create":   asShipped,
	"shipped_upgraded_round_context":   asShipped,
	"shipped_upgraded_round_register":  asShipped,
	"shipped_upgraded_verdict_final":   asShipped,
	"shipped_upgraded_verdict_interim": asShipped,
	"update_score_unknown_expert":      library,
	"update_tension_bad_id":            library,
	"update_tension_by_other_type":     library,
}
