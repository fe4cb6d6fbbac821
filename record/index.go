package record

// Attributes returns the attributes, beside the keys, that a row of the index
// holds where its record has them: clear ones that lists show. A store whose
// index keeps copies (DynamoDB's INCLUDE projection, at most 20) copies these;
// another may give more.
func (i Index) Attributes() []string {
	names := []string{"entity_type", "created_at", "updated_at"}
	switch i {
	case ByStatus:
		return append(names, "status", "converged_at", "total_rounds", "total_alignment", "calibrated", "domain_id", "ethos_id")
	case ByTensionStatus:
		return append(names, "status")
	case ByExpert:
		return append(names, "tier", "source", "relevance", "first_round", "total_score", "move_type")
	}
	return nil
}
