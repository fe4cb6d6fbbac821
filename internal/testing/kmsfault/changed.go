package kmsfault

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strconv"
)

// changed sends the request to the KMS and changes the answer.
func (l *Layer) changed(w http.ResponseWriter, r *http.Request, answer Answer) {
	got := httptest.NewRecorder()
	l.proxy.ServeHTTP(got, r)
	body := got.Body.Bytes()
	switch answer {
	case Cut:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush() // otherwise the client receives nothing
		panic(http.ErrAbortHandler)
	case Garbage:
		body = []byte("<html>It works!</html>")
	case Empty:
		body = []byte("{}")
	case Short:
		body = with(body, "Plaintext", bytes.Repeat([]byte{7}, 31))
	case Long:
		body = with(body, "Plaintext", bytes.Repeat([]byte{7}, 33))
	case Zeros:
		body = with(body, "Plaintext", make([]byte, 32))
	case OtherKey:
		body = with(body, "KeyId", "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000")
	case BigBlob:
		body = with(body, "CiphertextBlob", make([]byte, 6145))
	case TinyBlob:
		body = with(body, "CiphertextBlob", make([]byte, 60))
	default:
		panic("kmsfault: no such answer: " + string(answer))
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(got.Code)
	_, _ = w.Write(body)
}

// with replaces one field of a JSON object.
func with(body []byte, field string, value any) []byte {
	object := map[string]any{}
	if err := json.Unmarshal(body, &object); err != nil {
		panic(err)
	}
	object[field] = value
	changed, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	return changed
}
