package main

import (
	"context"
	"strings"

	"github.com/superviber/blue-encrypted-store/dynamo"
	"github.com/superviber/blue-encrypted-store/dynamo/tables"
	"github.com/superviber/blue-encrypted-store/internal/awsclient"
)

// openTables checks the endpoint and the tables, and opens the store. It changes
// nothing.
func (h *healthCheck) openTables(ctx context.Context) (backend, error) {
	d := h.config.dynamo
	h.ok("endpoint", "%s (from %s)%s", d.where(), d.From, exposure(d.Endpoint, "signatures and item names"))
	what, from := h.app.credentials(d.Endpoint)
	h.ok("creds", "%s (from %s)", what, from)
	at, err := h.app.dynamoConfig(ctx)
	if err != nil {
		return nil, err
	}
	admin, err := tables.Open(at)
	if err != nil {
		return nil, err
	}
	found, err := admin.Status(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range found {
		if len(t.Differs) > 0 {
			h.findings = append(h.findings, finding{Check: "table", Detail: t.Name + " differs: " + strings.Join(t.Differs, "; ")})
		}
	}
	if err := admin.Check(found); err != nil {
		return nil, err
	}
	h.ok("store", "%d tables as defined", len(found))
	return dynamo.Open(ctx, at)
}

// exposure returns a remark if the endpoint exposes the data to the network.
func exposure(e awsclient.Endpoint, data string) string {
	if !e.IsExposed() {
		return ""
	}
	return "; plain http to another host, allowed by --insecure-endpoint: " + data + " can be read on the way"
}
