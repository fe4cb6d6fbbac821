package blue

import (
	"fmt"
	"slices"
	"strings"
)

// CheckReference says whether an entity of the source kind may refer to the
// target in this way (Blue, SPEC §6), or nil. Only the target's kind counts.
//
//	support, oppose, question, depend   any → any
//	refine                              any → the same kind
//	address, resolve, reopen            any → tension
//
// Whether the target exists is not asked: a reference may dangle, and may
// name its own source.
func CheckReference(source Kind, t RefType, target EntityID) *FieldError {
	switch {
	case !t.Valid():
		return invalidRefType(string(t))
	case slices.Contains([]RefType{RefAddress, RefResolve, RefReopen}, t) && target.Kind != KindTension:
		return tensionDue(t, target.Kind)
	case t == RefRefine && source != target.Kind:
		return fieldError(CodeInvalidRefTarget,
			fmt.Sprintf("Reference type 'refine' requires same entity types. Source: %c, Target: %c", source.Letter(), target.Kind.Letter()),
			"Use matching entity types for refine references (P→P, R→R, etc.)")
	}
	return nil
}

func invalidRefType(t string) *FieldError {
	e := fieldError(CodeInvalidRefType, fmt.Sprintf("Invalid reference type '%s'. Must be one of: %s", clip(t), joined(refTypes)),
		"Use a valid reference type")
	e.Context = map[string][]RefType{"valid_types": RefTypes()}
	return e
}

func tensionDue(t RefType, target Kind) *FieldError {
	const due = "T (Tension)"
	e := fieldError(CodeInvalidRefTarget,
		fmt.Sprintf("Reference type '%s' cannot target entity type '%c'. Expected: %s", t, target.Letter(), due),
		"Use a "+due+" entity as the target")
	e.Context = map[string]string{"expected_target": due, "ref_type": string(t)}
	return e
}

// invalidEntityType is Blue's text about something that is no numbered kind.
func invalidEntityType(text string) *FieldError {
	letters := []string{"P", "R", "T", "E", "C"}
	e := fieldError(CodeInvalidEntityType,
		fmt.Sprintf("Invalid entity type '%s'. Must be one of: %s", clip(text), strings.Join(letters, ", ")),
		"Use P (Perspective), R (Recommendation), T (Tension), E (Evidence), or C (Claim)")
	e.Context = map[string][]string{"valid_types": letters}
	return e
}
