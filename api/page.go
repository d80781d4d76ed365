package api

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// PageInput asks for one page of a list.
type PageInput struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50" doc:"How many items at most"`
	Cursor string `query:"cursor" maxLength:"64" doc:"next_cursor of the page before"`
}

// Page is one page of a list.
type Page[T any] struct {
	Items      []T    `json:"items" nullable:"false"`
	NextCursor string `json:"next_cursor,omitempty" doc:"Asks for the next page; absent on the last"`
}

// position reads the cursor of one list: the number of the last item seen, 0 at the start. The cursor of another list is refused.
func (p PageInput) position(list string) (int64, error) {
	if p.Cursor == "" {
		return 0, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	number, ok := strings.CutPrefix(string(raw), list+" ")
	n, parse := strconv.ParseInt(number, 10, 64)
	if err != nil || !ok || parse != nil || n < 1 {
		return 0, problem(http.StatusUnprocessableEntity, "bad_cursor", "give the next_cursor of a page of the same list, unchanged")
	}
	return n, nil
}

func cursorAfter(list string, n int64) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list + " " + strconv.FormatInt(n, 10)))
}

// pageOf makes a page of rows that were asked for with one more than the limit, which tells whether another page follows.
func pageOf[R, T any](p PageInput, list string, rows []R, number func(R) int64, show func(R) T) Page[T] {
	page := Page[T]{Items: make([]T, 0, len(rows))}
	for i, r := range rows {
		if i == p.Limit {
			page.NextCursor = cursorAfter(list, number(rows[i-1]))
			break
		}
		page.Items = append(page.Items, show(r))
	}
	return page
}
