package faultproxy

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"net"
	"net/http"
	"strconv"
)

// visit is one request while it is served.
type visit struct {
	proxy   *Proxy
	w       http.ResponseWriter
	gone    <-chan struct{} // closed when the client has closed its connection
	request Request
	fault   Fault
	entry   *Entry
}

// act applies the fault to the request.
func (v *visit) act() {
	switch v.fault.Kind {
	case LostRequest:
		v.cut()
	case LateRequest:
		v.proxy.hold(v.request, v.entry, v.fault.after)
		v.cut()
	case HeldRequest:
		v.untilGone()
		v.forward()
	case Refused:
		v.write(v.fault.refuse(v.request))
	case ReplayedAnswer:
		v.write(v.proxy.record(v.fault.name))
	default:
		v.answer(v.forward())
	}
}

// answer applies the fault to the server's answer.
func (v *visit) answer(a answer) {
	switch v.fault.Kind {
	case None:
		v.write(a)
	case LostAnswer:
		v.cut()
	case DoubledRequest:
		v.again()
		v.write(a)
	case SecondAnswer:
		v.request.Body = withoutToken(v.request.Body)
		v.write(v.forward())
	case HeldAnswer:
		v.untilGone()
	case RefusedAfterward:
		v.write(v.fault.refuse(v.request))
	case TruncatedAnswer:
		v.half(a)
		v.cut()
	case ResetAnswer:
		v.reset(a)
	case WrongChecksum:
		v.head(a, crc32.ChecksumIEEE(a.body)^1)
		v.w.Write(a.body)
	case RewrittenAnswer:
		a.body = v.fault.rewrite(a.body)
		v.write(a)
	case RecordedAnswer:
		v.proxy.keep(v.fault.name, a)
		v.write(a)
	case MixedAnswer:
		v.write(mix(a, v.proxy.record(v.fault.name), v.fault.old))
	default:
		panic("faultproxy: no such fault: " + string(v.fault.Kind))
	}
}

// forward returns the server's answer. If the server gives none, it closes the
// connection, as the client would see it without a proxy.
func (v *visit) forward() answer {
	a, err := v.proxy.forward(v.request, v.entry)
	if err != nil {
		v.cut()
	}
	return a
}

// again delivers the request a second time, now or later.
func (v *visit) again() {
	if v.fault.after > 0 {
		v.proxy.hold(v.request, v.entry, v.fault.after)
		return
	}
	v.proxy.forward(v.request, v.entry)
}

// withoutToken returns a request body without its client token. It returns the
// body as it is if there is none.
func withoutToken(body []byte) []byte {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil || fields["ClientRequestToken"] == nil {
		return body
	}
	delete(fields, "ClientRequestToken")
	return mustMarshal(fields)
}

// cut closes the connection and ends the visit.
func (v *visit) cut() { panic(http.ErrAbortHandler) }

func (v *visit) untilGone() {
	select {
	case <-v.gone:
	case <-v.proxy.closing:
		v.cut()
	}
}

// write answers with the checksum that DynamoDB sends and DynamoDB Local does
// not send.
func (v *visit) write(a answer) {
	v.head(a, crc32.ChecksumIEEE(a.body))
	v.w.Write(a.body)
}

func (v *visit) head(a answer, checksum uint32) {
	header := v.w.Header()
	maps.Copy(header, a.header)
	header.Set("Content-Length", strconv.Itoa(len(a.body)))
	header.Set("X-Amz-Crc32", strconv.FormatUint(uint64(checksum), 10))
	v.w.WriteHeader(a.status)
}

// half sends the header of the whole answer and half of its body.
func (v *visit) half(a answer) {
	v.head(a, crc32.ChecksumIEEE(a.body))
	v.w.Write(a.body[:len(a.body)/2])
	http.NewResponseController(v.w).Flush()
}

// reset sends half of the answer and resets the connection, as a crashed machine
// or a firewall does.
func (v *visit) reset(a answer) {
	conn, buffer, err := http.NewResponseController(v.w).Hijack()
	if err != nil {
		v.cut()
	}
	fmt.Fprintf(buffer, "HTTP/1.1 %d %s\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\nX-Amz-Crc32: %d\r\n\r\n",
		a.status, http.StatusText(a.status), len(a.body), crc32.ChecksumIEEE(a.body))
	buffer.Write(a.body[:len(a.body)/2])
	buffer.Flush()
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	conn.Close()
}
