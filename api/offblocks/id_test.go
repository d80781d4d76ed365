package offblocks

import (
	"strings"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestAnIDHoldsItsToken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := "T" + rapid.StringMatching(`[0-9A-Z]{18}`).Draw(t, "token")
		id, ok := cardID(token)
		if !ok || id.Version() != 8 || id.Variant() != uuid.RFC4122 || tokenOf(id.String()) != token {
			t.Fatalf("%s became %s and %s", token, id, tokenOf(id.String()))
		}
	})
}

func TestWhatIsNoIDNamesNoCard(t *testing.T) {
	id, _ := cardID("T010000000000000001")
	for _, text := range []string{"", "7", uuid.New().String(), uuid.Max.String(), strings.ToUpper(id.String()), "{" + id.String() + "}", "ffffffff-ffff-8fff-bfff-ffffffffffff"} {
		if token := tokenOf(text); token != "" {
			t.Errorf("%q names %s", text, token)
		}
	}
	for _, token := range []string{"", "T", "X010000000000000001", "T01000000000000000", "T01000000000000000-"} {
		if id, ok := cardID(token); ok {
			t.Errorf("%q is %s", token, id)
		}
	}
}
