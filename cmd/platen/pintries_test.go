package main_test

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// A try is committed before the security module is asked, so that whoever kills the service again and again gets no more of them.
func TestKillingTheServiceGivesNoMoreTriesOfAPIN(t *testing.T) {
	t.Parallel()
	dir := prepare(t, sizes{mass: 20, bulk: 20, actions: 3})
	put(t, filepath.Join(dir, "programs", "zones.yaml"), []byte("- code: pos\n  key: zpk-pos\n  pin_format: 0\n"))
	platen(t, "init", dir)
	platen(t, "db", "migrate", config(dir))
	platen(t, "apply", config(dir), "-f", filepath.Join(dir, "programs"))
	key := loose[struct{ Key string }](t, platen(t, "client", "create", "pins", "--roles", "submit,pin", "--json", config(dir))).Key
	record := filepath.Join(dir, "points")
	begin := func() *service {
		s := serving(t, dir, []string{"PLATEN_FAULT=record@" + record}, "--no-schedules")
		s.key = key
		return s
	}
	// The module is asked behind this point only.
	asked := func() int {
		b, err := os.ReadFile(record)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return strings.Count(string(b), "PIN try: committed")
	}
	s := begin()
	s.order("R-1", []byte("product,quantity,branch\nprepaid-mag,2,1\n"))
	platen(t, "run", "--cycle", "nightly", config(dir))
	until(t, "the card", func() bool { return s.get("/v1/cards/R-1%231").status == http.StatusOK })

	inJSON := map[string]string{"Content-Type": "application/json"}
	const wrong = `{"zone":"pos","pin_block":"0123456789ABCDEF"}`
	for round := range 5 {
		before := asked()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				// The service dies meanwhile; what it still says does not matter.
				_, _ = s.try(http.MethodPost, "/v1/cards/R-1%231/pin/verify", inJSON, strings.NewReader(wrong))
			})
		}
		if round == 0 {
			until(t, "the first try", func() bool { return asked() > before })
		}
		s.process.kill()
		all.Wait()
		s = begin()
	}
	for range 4 {
		_, err := s.try(http.MethodPost, "/v1/cards/R-1%231/pin/verify", inJSON, strings.NewReader(wrong))
		must(t, err)
	}
	s.do(http.MethodPost, "/v1/cards/R-1%231/pin/verify", inJSON, strings.NewReader(wrong)).refused(t, http.StatusConflict, "pin_locked")
	if n := asked(); n < 1 || n > 3 {
		t.Errorf("the security module was asked %d times", n)
	}
}
