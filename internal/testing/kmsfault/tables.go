package kmsfault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Tables is an http.Handler in front of a DynamoDB that forwards the requests
// that the policies of the principal allow. It may be used concurrently.
type Tables struct {
	proxy *httputil.ReverseProxy
	arn   string // of tables, up to the name

	mu         sync.Mutex
	principals map[string]Principal
	asked      map[string][]Request
	refused    map[string][]Request
}

// NewTables returns the handler in front of the DynamoDB at an endpoint. It
// assumes that the tables are in the region and account of a key in KMS. A
// principal without a call of Let has no permissions.
func NewTables(endpoint, keyARN string) (*Tables, error) {
	to, err := url.Parse(endpoint)
	if err != nil {
		return nil, err
	}
	arn := strings.Split(keyARN, ":")
	if len(arn) != 6 {
		return nil, fmt.Errorf("%q is not an ARN", keyARN)
	}
	return &Tables{
		proxy: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }},
		arn:   "arn:aws:dynamodb:" + arn[3] + ":" + arn[4] + ":table/", principals: map[string]Principal{},
		asked: map[string][]Request{}, refused: map[string][]Request{},
	}, nil
}

// Let sets the permissions of the holder of an access key id.
func (t *Tables) Let(accessKeyID string, p Principal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.principals[accessKeyID] = p
}

// Asked returns the allowed requests of the holder of an access key id.
func (t *Tables) Asked(accessKeyID string) []Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Request(nil), t.asked[accessKeyID]...)
}

// Refused returns the refused requests of the holder of an access key id.
func (t *Tables) Refused(accessKeyID string) []Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Request(nil), t.refused[accessKeyID]...)
}

func (t *Tables) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	who := principalOf(r)
	requests, err := t.read(r.Header.Get("X-Amz-Target"), body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, request := range requests {
		if !t.judge(who, request) {
			deny(w, who, request)
			return
		}
	}
	for _, request := range together(requests) {
		if !t.judge(who, request) {
			deny(w, who, request)
			return
		}
	}
	t.proxy.ServeHTTP(w, r)
}

// together returns the requests of a transaction under the rule that one
// permission is judged once for a table, with all leading keys of the
// transaction. AWS's manual does not specify whether this rule holds, or one
// judgement for each action ("Using IAM with DynamoDB transactions"). Only a
// request with several keys differs.
func together(requests []Request) []Request {
	var all []Request
	for _, r := range requests {
		key := r.Context[leadingKeys]
		i := slices.IndexFunc(all, func(o Request) bool { return o.Action == r.Action && o.Resource == r.Resource })
		if i < 0 {
			all = append(all, Request{r.Action, r.Resource, map[string][]string{leadingKeys: slices.Clone(key)}})
			continue
		}
		for _, k := range key {
			if !slices.Contains(all[i].Context[leadingKeys], k) {
				all[i].Context[leadingKeys] = append(all[i].Context[leadingKeys], k)
			}
		}
	}
	return slices.DeleteFunc(all, func(r Request) bool { return len(r.Context[leadingKeys]) < 2 })
}

func (t *Tables) judge(who string, r Request) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	allowed := t.principals[who].Allowed(r)
	if allowed {
		t.asked[who] = append(t.asked[who], r)
	} else {
		t.refused[who] = append(t.refused[who], r)
	}
	return allowed
}

func deny(w http.ResponseWriter, who string, r Request) {
	body, err := json.Marshal(map[string]string{
		"__type":  "com.amazon.coral.service#AccessDeniedException",
		"Message": "User: " + who + " is not authorized to perform: " + r.Action + " on resource: " + r.Resource + " because no identity-based policy allows the " + r.Action + " action",
	})
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10))
	w.WriteHeader(http.StatusBadRequest)
	_, _ = w.Write(body)
}

// one is one request, or one action of a transaction, in its JSON form.
type one struct {
	TableName string
	IndexName string
	Key       map[string]value
	Item      map[string]value

	KeyConditionExpression    string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues map[string]value
}

type value struct{ S *string }

const leadingKeys = "dynamodb:LeadingKeys"

// transacted maps an action of a transaction to its permission ("Using IAM with
// DynamoDB transactions").
var transacted = map[string]string{"Put": "PutItem", "Delete": "DeleteItem", "Update": "UpdateItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem"}

// read returns the permissions that a request needs. A transaction needs one for
// each of its actions. An unknown request has no resource, and no policy here
// allows that.
func (t *Tables) read(target string, body []byte) ([]Request, error) {
	name, is := strings.CutPrefix(target, "DynamoDB_20120810.")
	if !is {
		return nil, fmt.Errorf("not a request of DynamoDB: target %q", target)
	}
	var request struct {
		one
		TransactItems []map[string]one
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, fmt.Errorf("not a request of DynamoDB: %w", err)
	}
	if name != "TransactWriteItems" && name != "TransactGetItems" {
		return []Request{t.request(name, request.one)}, nil
	}
	var all []Request
	for _, item := range request.TransactItems {
		for kind, action := range item {
			permission, known := transacted[kind]
			if !known {
				return nil, fmt.Errorf("a transaction with a %s", kind)
			}
			all = append(all, t.request(permission, action))
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("a transaction without actions")
	}
	return all, nil
}

func (t *Tables) request(name string, o one) Request {
	r := Request{Action: "dynamodb:" + name, Context: map[string][]string{}}
	switch {
	case name == "ListBackups":
		r.Resource = "*" // the action has no single table
	case o.TableName != "":
		r.Resource = t.arn + o.TableName
		if o.IndexName != "" {
			r.Resource += "/index/" + o.IndexName
		}
	}
	if key := o.leading(); key != "" {
		r.Context[leadingKeys] = []string{key}
	}
	return r
}

var equality = regexp.MustCompile(`([#\w]+)\s*=\s*(:\w+)`)

// leading returns the partition key that a request names, or "" if it names
// none.
func (o one) leading() string {
	attribute := o.IndexName + "PK"
	for _, item := range []map[string]value{o.Key, o.Item} {
		if v := item[attribute]; v.S != nil {
			return *v.S
		}
	}
	for _, term := range equality.FindAllStringSubmatch(o.KeyConditionExpression, -1) {
		name, is := o.ExpressionAttributeNames[term[1]]
		if !is {
			name = term[1]
		}
		if v := o.ExpressionAttributeValues[term[2]]; name == attribute && v.S != nil {
			return *v.S
		}
	}
	return ""
}
