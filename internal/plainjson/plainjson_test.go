package plainjson

import "testing"

func TestMarshal(t *testing.T) {
	if got, err := Marshal([]string{"<a> & b"}); err != nil || string(got) != `["<a> & b"]` {
		t.Errorf("%s, %v", got, err)
	}
	if got, err := Marshal(func() {}); err == nil {
		t.Errorf("a function became %s", got)
	}
}
