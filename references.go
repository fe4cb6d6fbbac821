package blue

import (
	"fmt"
	"slices"
	"strings"
)

// Check returns nil if an entity of the source kind can refer to an entity of
// the target kind in this way (Blue, SPEC §6). The rules are:
//
//	support, oppose, question, depend   any → any
//	refine                              any → the same kind
//	address, resolve, reopen            any → tension
//
// The target need not exist, and an entity can refer to itself.
func (t RefType) Check(source, target Kind) *FieldError {
	switch {
	case !t.Valid():
		return invalidRefType(string(t))
	case slices.Contains([]RefType{"address", "resolve", "reopen"}, t) && target != KindTension:
		return tensionRequired(t, target)
	case t == "refine" && source != target:
		return fieldError(codeInvalidRefTarget,
			fmt.Sprintf("Reference type 'refine' requires same entity types. Source: %c, Target: %c", source.Letter(), target.Letter()),
			"Use matching entity types for refine references (P→P, R→R, etc.)")
	}
	return nil
}

func invalidRefType(t string) *FieldError {
	e := fieldError(codeInvalidRefType, fmt.Sprintf("Invalid reference type '%s'. Must be one of: %s", clip(t), joined(refTypes)),
		"Use a valid reference type")
	e.Context = map[string][]RefType{"valid_types": RefTypes()}
	return e
}

func tensionRequired(t RefType, target Kind) *FieldError {
	required := fmt.Sprintf("%c (%s)", KindTension.Letter(), KindTension.Word())
	e := fieldError(codeInvalidRefTarget,
		fmt.Sprintf("Reference type '%s' cannot target entity type '%c'. Expected: %s", t, target.Letter(), required),
		"Use a "+required+" entity as the target")
	e.Context = map[string]string{"expected_target": required, "ref_type": string(t)}
	return e
}

// invalidEntityType is Blue's error for a text that does not name a numbered
// kind.
func invalidEntityType(text string) *FieldError {
	var uses []string
	for _, r := range rankedKinds() {
		uses = append(uses, fmt.Sprintf("%c (%s)", r.letter, r.word))
	}
	last := len(uses) - 1
	e := fieldError(codeInvalidEntityType,
		fmt.Sprintf("Invalid entity type '%s'. Must be one of: %s", clip(text), strings.Join(letters(), ", ")),
		"Use "+strings.Join(uses[:last], ", ")+", or "+uses[last])
	e.Context = map[string][]string{"valid_types": letters()}
	return e
}
