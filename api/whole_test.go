package api_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"platen/api"
)

// connection keeps the deadline that was set last for reading.
type connection struct {
	*httptest.ResponseRecorder
	reading []time.Time
}

func (c *connection) SetReadDeadline(t time.Time) error {
	c.reading = append(c.reading, t)
	return nil
}

// TestADeadlineForReadingDoesNotOutliveTheBody holds that a request which takes long to carry out is not ended by the time that its body had to come in.
func TestADeadlineForReadingDoesNotOutliveTheBody(t *testing.T) {
	s := newSite(t, sqlite(t), api.Config{})
	for path, body := range map[string]string{"/v1/cards": `{"reference":"ONE","product":"prepaid-mag"}`, "/v1/orders?reference=TWO": massCSV(3), "/v1/orders": ""} {
		method := http.MethodPost
		if body == "" {
			method = http.MethodGet
		}
		r := s.request(s.mine, method, path, strings.NewReader(body), asCSV)
		if strings.HasPrefix(body, "{") {
			asJSON(r)
		}
		c := &connection{ResponseRecorder: httptest.NewRecorder()}
		s.handler.ServeHTTP(c, r)
		if c.Code >= http.StatusBadRequest || len(c.reading) == 0 || !c.reading[len(c.reading)-1].IsZero() {
			t.Errorf("%s %s: status %d, deadlines %v", method, path, c.Code, c.reading)
		}
	}
}
