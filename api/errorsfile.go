package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/danielgtaylor/huma/v2/negotiation"

	"platen/formats"
	"platen/sql/store"
)

// codeCut marks an answer in the log that ended after it had begun.
const codeCut = "cut"

// errorsChunk is how many refused rows are held at once.
const errorsChunk = 1000

func (in *ErrorsInput) wantsCSV() bool {
	if in.Format != "" {
		return in.Format == "csv"
	}
	return negotiation.SelectQValueFast(in.Accept, errorsType) == csvType
}

// errorsFile streams every refused row of an order as the CSV that its correction starts from.
func (s *service) errorsFile(ctx context.Context, o store.Order) (*huma.StreamResponse, error) {
	first, err := s.Plant.Store.Refused(ctx, o.Number, 0, errorsChunk)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) { //nolint:contextcheck // the framework hands its own context, which holds the request's
		ctx.SetHeader("Content-Type", csvType+"; charset=utf-8")
		ctx.SetHeader("Content-Disposition", `attachment; filename="errors-`+o.ID.String()+`.csv"`)
		ctx.SetStatus(http.StatusOK)
		if err := s.writeErrors(ctx, o, first); err != nil {
			// The status is out; only a cut connection still says that the file is not whole.
			t := traceOf(ctx.Context())
			t.code, t.cause = codeCut, err
			panic(http.ErrAbortHandler)
		}
	}}, nil
}

func (s *service) writeErrors(ctx huma.Context, o store.Order, rows []store.RefusedRow) error {
	_, w := humago.Unwrap(ctx)
	connection := http.NewResponseController(w)
	out := io.Writer(w)
	for {
		// Not every ResponseWriter has deadlines; then the server's own hold.
		_ = connection.SetWriteDeadline(time.Now().Add(writeTimeout))
		corrections := make([]formats.CorrectionRow, 0, len(rows))
		for _, r := range rows {
			row, faults, err := decodeRefused(r)
			if err != nil {
				return err
			}
			corrections = append(corrections, formats.CorrectionRow{Row: row, Faults: faults})
		}
		if err := formats.WriteCorrections(out, formats.OrderKind(o.Kind), o.ID.String(), corrections); err != nil {
			return err
		}
		if len(rows) < errorsChunk {
			return nil
		}
		var err error
		if rows, err = s.Plant.Store.Refused(ctx.Context(), o.Number, rows[len(rows)-1].SourceLine, errorsChunk); err != nil || len(rows) == 0 {
			return err
		}
		out = &withoutHeader{w: w}
	}
}

// withoutHeader drops the first line: the file has its header already.
type withoutHeader struct {
	w    io.Writer
	past bool
}

// Write implements io.Writer.
func (h *withoutHeader) Write(p []byte) (int, error) {
	all := len(p)
	if !h.past {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			return all, nil
		}
		h.past, p = true, p[end+1:]
	}
	if _, err := h.w.Write(p); err != nil {
		return 0, err
	}
	return all, nil
}
