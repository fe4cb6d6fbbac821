package record

// View describes one kind of record, for a store that can show records to
// people as tables.
type View struct {
	Name    string // e.g. "tensions"
	Prefix  string // sort keys of the kind begin with it; or Exact is the sort key
	Exact   string
	Columns []string // clear attributes, in order
}
