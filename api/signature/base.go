package signature

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/dunglas/httpsfv"
)

// ErrComponent says that a signature covers something that this server cannot or will not derive.
var ErrComponent = errors.New("a signed component cannot be derived")

// base is the signature base of RFC 9421 section 2.5: a line for each covered component and one for the parameters, as the client wrote them.
func base(r *http.Request, public string, covered httpsfv.InnerList) ([]byte, error) {
	var b strings.Builder
	seen := map[string]bool{}
	for _, item := range covered.Items {
		name, ok := item.Value.(string)
		if !ok || name != strings.ToLower(name) || name == "@signature-params" {
			return nil, fmt.Errorf("a component's name: %w", ErrComponent)
		}
		identifier, err := httpsfv.Marshal(item)
		if err != nil || seen[identifier] {
			return nil, fmt.Errorf("component %q: %w", name, ErrComponent)
		}
		seen[identifier] = true
		value, err := component(r, public, name, item.Params)
		if err != nil {
			return nil, fmt.Errorf("component %q: %w", name, err)
		}
		b.WriteString(identifier + ": " + value + "\n")
	}
	params, err := httpsfv.Marshal(covered)
	if err != nil {
		return nil, fmt.Errorf("signature parameters: %w", ErrComponent)
	}
	b.WriteString(`"@signature-params": ` + params)
	return []byte(b.String()), nil
}

// component derives one component's value: fields by section 2.1, the rest by section 2.2. Parameters other than the name of a query parameter
// are refused: nothing here needs them, and what is not understood must not count as signed.
func component(r *http.Request, public, name string, params *httpsfv.Params) (string, error) {
	if name == "@query-param" {
		return queryParameter(r, params)
	}
	if params != nil && len(params.Names()) > 0 {
		return "", fmt.Errorf("its parameters: %w", ErrComponent)
	}
	switch name {
	case "@method":
		return r.Method, nil
	case "@authority":
		return authority(r, public)
	case "@scheme":
		return scheme(r, public), nil
	case "@target-uri":
		host, err := authority(r, public)
		return scheme(r, public) + "://" + host + r.URL.RequestURI(), err
	case "@request-target":
		return r.URL.RequestURI(), nil
	case "@path":
		return r.URL.EscapedPath(), nil
	case "@query":
		return "?" + r.URL.RawQuery, nil
	}
	if strings.HasPrefix(name, "@") {
		return "", ErrComponent
	}
	return field(r, name)
}

// field joins a field's values (section 2.1): blanks around each cut off, a comma and a blank between.
func field(r *http.Request, name string) (string, error) {
	if name == "host" {
		return r.Host, nil
	}
	values := r.Header.Values(name)
	if len(values) == 0 {
		return "", fmt.Errorf("the field is missing: %w", ErrComponent)
	}
	trimmed := make([]string, len(values))
	for i, v := range values {
		trimmed[i] = strings.TrimSpace(v)
	}
	return strings.Join(trimmed, ", "), nil
}

// queryParameter is the value of a query parameter that stands once, encoded again as section 2.2.8 says.
func queryParameter(r *http.Request, params *httpsfv.Params) (string, error) {
	if params == nil || len(params.Names()) != 1 {
		return "", ErrComponent
	}
	v, _ := params.Get("name")
	encoded, ok := v.(string)
	if !ok {
		return "", ErrComponent
	}
	name, err := url.QueryUnescape(encoded)
	if err != nil {
		return "", ErrComponent
	}
	all, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || len(all[name]) != 1 {
		return "", ErrComponent
	}
	return strings.ReplaceAll(url.QueryEscape(all[name][0]), "+", "%20"), nil
}

// scheme is what the client used. Behind a proxy that ends TLS the server is told its public address.
func scheme(r *http.Request, public string) string {
	if before, _, ok := strings.Cut(public, "://"); ok {
		return before
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// authority is the host in small letters, without the scheme's own port (section 2.2.3).
func authority(r *http.Request, public string) (string, error) {
	host := strings.ToLower(r.Host)
	if _, after, ok := strings.Cut(public, "://"); ok {
		host = strings.ToLower(after)
	}
	if host == "" {
		return "", ErrComponent
	}
	own := map[string]string{"http": ":80", "https": ":443"}[scheme(r, public)]
	return strings.TrimSuffix(host, own), nil
}
