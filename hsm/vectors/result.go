package vectors

import (
	"encoding/hex"
	"encoding/json"
	"strings"
)

// What an algorithm may compute beside text, truth and numbers.
type (
	// binary is bytes, expected in hexadecimal of either case.
	binary []byte
	// checkValue is the full check value of a key, of which 4 hexadecimal digits or more are expected.
	checkValue []byte
	// verdict is the outcome of a check that compares no value. One of a form proves less than a value that comes out.
	verdict struct {
		ok   bool
		form bool
		note string
	}
)

// checkDigits is the least that a check value is compared by.
const checkDigits = 4

// matches tells whether a result is the expected one. An object is the expected one when it has every expected member.
func matches(got, expected any) bool {
	switch g := got.(type) {
	case binary:
		want, ok := expected.(string)
		return ok && strings.EqualFold(hex.EncodeToString(g), want)
	case checkValue:
		want, ok := expected.(string)
		full := hex.EncodeToString(g)
		return ok && len(want) >= checkDigits && len(want) <= len(full) && strings.EqualFold(full[:len(want)], want)
	case string:
		want, ok := expected.(string)
		return ok && g == want
	case bool:
		want, ok := expected.(bool)
		return ok && g == want
	case int:
		want, ok := expected.(json.Number)
		n, err := want.Int64()
		return ok && err == nil && int64(g) == n
	case []any:
		want, ok := expected.([]any)
		if !ok || len(want) != len(g) {
			return false
		}
		for i := range g {
			if !matches(g[i], want[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		want, ok := expected.(map[string]any)
		for name, value := range want {
			if !matches(g[name], value) {
				return false
			}
		}
		return ok && len(want) > 0
	}
	return false
}

// plain is a result as JSON shows it.
func plain(got any) any {
	switch g := got.(type) {
	case binary:
		return strings.ToUpper(hex.EncodeToString(g))
	case checkValue:
		return strings.ToUpper(hex.EncodeToString(g))
	case []any:
		out := make([]any, len(g))
		for i := range g {
			out[i] = plain(g[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name, value := range g {
			out[name] = plain(value)
		}
		return out
	}
	return got
}

// wantsRefusal tells whether an entry expects that its input is refused: {"refused": true}.
func wantsRefusal(expected any) bool {
	m, ok := expected.(map[string]any)
	return ok && len(m) == 1 && m["refused"] == true
}
