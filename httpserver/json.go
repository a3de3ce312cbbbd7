package httpserver

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/backend-platform/sdk/errors"
	"github.com/backend-platform/sdk/internal/validate"
)

// DecodeJSON reads the request's body as one JSON value of type T.
//
// It is strict: the Content-Type must say JSON ([ErrMediaType], 415), the text must be UTF-8, nothing
// may follow the value, it may be nested 100 levels deep, and each object has only members that T has,
// in the same spelling, and each of them once: of a member that is there twice, one program reads the
// first and another the last. null leaves a value as it is.
//
// If T or *T has a method
//
//	Validate() error
//
// it is called on the decoded value. The error of DecodeJSON lists every fault with its place, as
// violations with JSON pointers: members of a wrong type and unknown members, or, once there is a value to validate,
// unknown members and what Validate finds. Validate says what it finds as
// violations of an InvalidArgument error, as in the example; an error without a code becomes a 400
// whose text stays in the log. A code of its own is kept. So it is with the error of a type that decodes
// itself: the message of an InvalidArgument error is told, any other text is not. At most 100 faults are
// listed, and 1,000 of Validate's.
//
// The body is read up to the limit of the server, or of [LimitBody]; without one, up to 1 MiB
// ([ErrBodyTooLarge], 413). No text of encoding/json reaches the caller: it changes with Go's version.
// Return the error from a [HandlerFunc], or hand it to [WriteError].
func DecodeJSON[T any](r *http.Request) (T, error) { return decodeJSON[T](r, false) }

// DecodeJSONLenient is [DecodeJSON] for documents that others define, such as webhooks: members that T
// does not have are ignored, and the names of members, their number, bytes that are not UTF-8 and nesting are
// treated as encoding/json treats them.
func DecodeJSONLenient[T any](r *http.Request) (T, error) { return decodeJSON[T](r, true) }

func decodeJSON[T any](r *http.Request, lenient bool) (value T, err error) {
	body, err := readJSON(r)
	if err != nil {
		return value, err
	}
	var zero T
	if err := json.Unmarshal(body, &value); err != nil || !lenient && !utf8.Valid(body) {
		return zero, diagnose[T](body, lenient, err).invalid()
	}
	var names []errors.Violation
	if !lenient {
		names = namesOf[T](body)
	}
	if err := settleValidation(validate.Call(&value), names); err != nil {
		return zero, err
	}
	return value, nil
}

// settleValidation joins what Validate found with what was found before.
func settleValidation(err error, before []errors.Violation) error {
	if err == nil {
		if len(before) == 0 {
			return nil
		}
		return (&faults{list: before}).invalid()
	}
	if errors.CodeOf(err) == errors.Unknown {
		return ErrInvalidBody.New(messageInvalid).WithCause(err).WithViolations(before...)
	}
	if len(before) == 0 {
		return err
	}
	if found, ok := err.(*errors.Error); ok { //nolint:errorlint // what is around another one must stay
		return found.WithViolations(before...)
	}
	return errors.Join(err, errors.CodeOf(err).New("").WithViolations(before...))
}

// readJSON reads the whole body.
func readJSON(r *http.Request) ([]byte, error) {
	if err := checkContentType(r.Header); err != nil {
		return nil, err
	}
	var body io.Reader = r.Body
	if r.Body == nil {
		body = http.NoBody
	}
	if exchangeFrom(r.Context()).limitedBody() == nil {
		body = http.MaxBytesReader(nil, io.NopCloser(body), defaultMaxBody)
	}
	data, err := readAll(body, r.ContentLength)
	if err != nil {
		return nil, readFailure(r, err)
	}
	return data, nil
}

// readAll believes a Content-Length up to a size that no attacker can multiply.
func readAll(body io.Reader, length int64) ([]byte, error) {
	var buf bytes.Buffer
	if length > 0 && length <= maxPooled {
		buf.Grow(int(length) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(body)
	return buf.Bytes(), err
}

func readFailure(r *http.Request, err error) error {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return bodyTooLarge(tooLarge.Limit, err)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrBodyTimeout.Wrap(err, "The request body did not arrive in time.")
	case r.Context().Err() != nil:
		return errors.CodeOf(r.Context().Err()).Wrap(err, "")
	}
	return ErrInvalidBody.Wrap(err, "The request body ended early.")
}

func checkContentType(h http.Header) error {
	const advice = "Send JSON, with Content-Type: application/json."
	if encoding := h.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return ErrMediaType.New("The server does not decompress request bodies. Send JSON without Content-Encoding.")
	}
	value := h.Get("Content-Type")
	if value == "application/json" {
		return nil
	}
	media, params, err := mime.ParseMediaType(value)
	if err != nil || !isJSON(media) {
		return ErrMediaType.New(advice)
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return ErrMediaType.New("JSON is UTF-8 (RFC 8259, section 8.1). " + advice)
	}
	return nil
}

// jsonBuffer keeps an encoder with its buffer.
type jsonBuffer struct {
	bytes.Buffer
	encoder *json.Encoder
}

var jsonBuffers = sync.Pool{New: func() any {
	b := new(jsonBuffer)
	b.encoder = json.NewEncoder(&b.Buffer)
	return b
}}

// chunkSize is how much net/http buffers to find out the length of a response by itself.
const chunkSize = 2 << 10

// WriteJSON answers with v as JSON, Content-Type application/json, followed by a newline.
//
// It encodes v as a whole before it writes anything, so a value that cannot be encoded is an internal error that
// can still be answered, and never half a response. An error from the connection is returned with the
// code canceled: the client is gone. Return the error from a [HandlerFunc].
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	b := jsonBuffers.Get().(*jsonBuffer)
	b.Reset()
	defer func() {
		if b.Cap() <= maxPooled {
			jsonBuffers.Put(b)
		}
	}()
	if err := b.encoder.Encode(v); err != nil {
		return errors.Internal.Wrap(err, "")
	}
	rw, _ := tracked(w)
	rw.set("Content-Type", "application/json")
	if b.Len() > chunkSize {
		rw.set("Content-Length", strconv.Itoa(b.Len()))
	}
	rw.WriteHeader(status)
	if _, err := rw.Write(b.Bytes()); err != nil && !errors.Is(err, http.ErrBodyNotAllowed) {
		return errors.Canceled.Wrap(err, "")
	}
	return nil
}
