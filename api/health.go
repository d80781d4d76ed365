package api

import (
	"net/http"
)

// The routes that monitoring asks, without a key.
const (
	livez   = "GET /livez"
	readyz  = "GET /readyz"
	metrics = "GET /metrics"
)

func isProbe(pattern string) bool { return pattern == livez || pattern == readyz || pattern == metrics }

func (s *service) routeHealth() {
	s.mux.HandleFunc(livez, func(w http.ResponseWriter, _ *http.Request) { answerOK(w) })
	s.mux.HandleFunc(readyz, func(w http.ResponseWriter, r *http.Request) {
		if s.Ready != nil {
			if err := s.Ready(r.Context()); err != nil {
				p := problem(http.StatusServiceUnavailable, "not_ready", "this process cannot work right now")
				p.cause = err
				s.fail(w, r, p)
				return
			}
		}
		answerOK(w)
	})
	if s.Metrics != nil {
		s.mux.Handle(metrics, s.Metrics)
	}
}

func answerOK(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write([]byte("ok\n"))
}
