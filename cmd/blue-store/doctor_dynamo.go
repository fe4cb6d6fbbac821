package main

import (
	"context"
	"strings"

	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
)

// dynamo looks at the endpoint, the tables, and the key that belongs to them.
// It changes nothing there.
func (x *examination) dynamo(ctx context.Context, a *app) {
	x.endpoint(a)
	at, err := a.dynamoConfig(ctx)
	if err != nil {
		x.wrong("store", err)
		x.key(ctx, nil)
		return
	}
	if !x.tables(ctx, at) {
		x.key(ctx, nil)
		return
	}
	s, err := dynamo.Open(ctx, at)
	if err != nil {
		x.wrong("store", err)
		return
	}
	defer s.Close()
	x.key(ctx, s)
	x.dialogues(ctx, s)
}

// endpoint says who is asked, as whom, and what of it travels in the clear.
func (x *examination) endpoint(a *app) {
	d := x.config.dynamo
	note := ""
	if d.IsExposed() {
		note = "; plain http to another host, allowed by --insecure-endpoint: signatures and item names can be read on the way"
	}
	x.fine("endpoint", "%s (from %s)%s", d.where(), d.From, note)
	what, from := a.credentials(d.Endpoint)
	x.fine("creds", "%s (from %s)", what, from)
}

// tables compares the tables with their definition, and reports whether they
// can be used.
func (x *examination) tables(ctx context.Context, at dynamo.Config) bool {
	admin, err := tables.Open(at)
	if err != nil {
		x.wrong("store", err)
		return false
	}
	found, err := admin.Status(ctx)
	if err != nil {
		x.wrong("store", err)
		return false
	}
	for _, t := range found {
		if len(t.Differs) > 0 {
			x.findings = append(x.findings, diagnosis{Check: "table", Detail: t.Name + " differs: " + strings.Join(t.Differs, "; ")})
		}
	}
	if err := admin.Check(found); err != nil {
		x.wrong("store", err)
		return false
	}
	x.fine("store", "%d tables as defined", len(found))
	return true
}
