package card_test

import (
	"bytes"
	"database/sql/driver"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"platen/card"
)

// canary is a number that passes its check digit; it stands for whatever a secret holds.
const canary = "4000001234567899"

func canaryPAN(t testing.TB) card.PAN {
	t.Helper()
	p, err := card.ParsePAN(canary)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// secrets are values of every type that hides card data, all holding the canary.
func secrets(t testing.TB) map[string]any {
	t.Helper()
	many := card.NewSecrets(2, 20)
	many.Set(1, []byte(canary))
	store := card.NewPANs(1)
	stored, err := store.Set(0, []byte(canary))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]any{"PAN": canaryPAN(t), "stored PAN": stored, "Secret": card.NewSecret([]byte(canary)), "Secrets": many}
}

// leaks tells whether text shows the canary, or a good part of it, in any notation that Go prints bytes in.
func leaks(text string) bool {
	part := []byte(canary[4:12])
	decimal := strings.Trim(fmt.Sprint(part), "[]")
	hexadecimal := strings.TrimSuffix(fmt.Sprintf("%#v", part), "}")
	for _, form := range []string{
		string(part), hex.EncodeToString(part), strings.ToUpper(hex.EncodeToString(part)), decimal, strings.ReplaceAll(decimal, " ", ","),
		strings.TrimPrefix(hexadecimal, "[]byte{"), "MDAwMTIzNDU2Nzg5", "NDAwMDAwMTIzNDU2",
	} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

func TestTheCanaryIsFoundWhereItIsShown(t *testing.T) {
	raw, err := json.Marshal([]byte(canary))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		canary, fmt.Sprint([]byte(canary)), fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary), fmt.Sprintf("%#v", []byte(canary)), string(raw),
	} {
		if !leaks(text) {
			t.Errorf("not found in %s", text)
		}
	}
}

// verbs are all that fmt knows, the ones that do not fit a value among them.
const verbs = "vTtbcdoOqxXUeEfFgGsp"

func TestEveryVerbPrintsAMask(t *testing.T) {
	for name, v := range secrets(t) {
		pointer := &v
		for _, value := range []any{v, pointer, []any{v}, map[string]any{"k": v}, struct{ Shown any }{v}, struct{ hidden any }{v}} {
			for _, verb := range []byte(verbs) {
				for _, flags := range []string{"", "+", "#", "-", " ", "0", "30", ".3", "+#"} {
					if out := fmt.Sprintf("%"+flags+string(verb), value); leaks(out) {
						t.Errorf("%s leaks under %%%s%c", name, flags, verb)
					}
				}
			}
			if leaks(fmt.Sprint(value)) || leaks(fmt.Sprintln(value)) {
				t.Errorf("%s leaks through Print", name)
			}
		}
	}
}

// Reflection reaches unexported fields where no method of theirs is called; secrets must be out of its reach there too.
func TestUnexportedFieldsPrintNothing(t *testing.T) {
	many := card.NewSecrets(1, 20)
	many.Set(0, []byte(canary))
	store := card.NewPANs(1)
	if _, err := store.Set(0, []byte(canary)); err != nil {
		t.Fatal(err)
	}
	v := struct {
		pan     card.PAN
		secret  card.Secret
		secrets card.Secrets
		list    []card.PAN
		table   map[string]card.Secret
		pointer *card.PAN
		store   *card.PANs
	}{
		canaryPAN(t), card.NewSecret([]byte(canary)), many,
		[]card.PAN{canaryPAN(t)}, map[string]card.Secret{"a": card.NewSecret([]byte(canary))}, new(canaryPAN(t)), store,
	}
	for _, verb := range verbs {
		for _, flags := range []string{"", "+", "#"} {
			for _, value := range []any{v, &v, []any{v}, store, *store} {
				if out := fmt.Sprintf("%"+flags+string(verb), value); leaks(out) {
					t.Errorf("leaks under %%%s%c", flags, verb)
				}
			}
		}
	}
}

func TestEncodersWriteAMask(t *testing.T) {
	for name, v := range secrets(t) {
		raw, err := json.Marshal(map[string]any{"value": v, "list": []any{v}})
		if err != nil || leaks(string(raw)) || !strings.Contains(string(raw), "[hidden]") {
			t.Errorf("%s as a JSON value: %s, %v", name, raw, err)
		}
		if raw, err := xml.Marshal(struct{ V any }{v}); err == nil && leaks(string(raw)) {
			t.Errorf("%s leaks in XML", name)
		}
		var out bytes.Buffer
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
		if leaks(out.String()) {
			t.Errorf("%s leaks through slog", name)
		}
	}
	for name, encode := range map[string]func() ([]byte, error){
		"PAN":    func() ([]byte, error) { return json.Marshal(map[card.PAN]int{canaryPAN(t): 1}) },
		"Secret": func() ([]byte, error) { return json.Marshal(map[card.Secret]int{card.NewSecret([]byte(canary)): 1}) },
	} {
		if raw, err := encode(); err != nil || leaks(string(raw)) || !strings.Contains(string(raw), "[hidden]") {
			t.Errorf("%s as a JSON key: %s, %v", name, raw, err)
		}
	}
}

func TestLoggersWriteAMask(t *testing.T) {
	for name, v := range secrets(t) {
		var out bytes.Buffer
		log := zerolog.New(&out)
		log.Info().Interface("a", v).Any("b", []any{v}).Str("c", fmt.Sprint(v)).Msgf("%v %+v", v, v)
		log.Info().Fields(map[string]any{"d": v}).Msg("")
		if object, ok := v.(zerolog.LogObjectMarshaler); !ok {
			t.Errorf("%s is no log object", name)
		} else {
			log.Info().Object("e", object).EmbedObject(object).Msg("")
		}
		if text, ok := v.(fmt.Stringer); ok {
			log.Info().Stringer("f", text).Msg("")
		}
		log.Error().Err(fmt.Errorf("refused %v: %w", v, errors.New("x"))).Msg("")
		if leaks(out.String()) || !strings.Contains(out.String(), "[hidden]") {
			t.Errorf("%s: %s", name, out.String())
		}
	}
}

func TestSecretsAreNoDatabaseValues(t *testing.T) {
	for name, v := range secrets(t) {
		valuer, ok := v.(driver.Valuer)
		if !ok {
			t.Errorf("%s would be taken apart by the driver", name)
			continue
		}
		if got, err := valuer.Value(); !errors.Is(err, card.ErrSecretInSQL) || got != nil || leaks(err.Error()) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := driver.DefaultParameterConverter.ConvertValue(v); !errors.Is(err, card.ErrSecretInSQL) {
			t.Errorf("%s as an argument: %v", name, err)
		}
	}
}

func TestErrorsOfNumbersCarryNoDigits(t *testing.T) {
	for _, bad := range []string{canary[:15] + "0", canary + "0000", canary[:12], canary[:15] + "x"} {
		if _, err := card.ParsePAN(bad); err == nil || leaks(err.Error()) || strings.ContainsAny(err.Error(), "456") {
			t.Errorf("error is %v", err)
		}
	}
}

func TestWipeReachesEveryCopy(t *testing.T) {
	raw := []byte(canary)
	s := card.NewSecret(raw)
	other := s
	s.Wipe()
	if len(other.Reveal()) != 0 || !bytes.Equal(raw, make([]byte, len(raw))) {
		t.Error("a copy still shows the secret")
	}
	many := card.NewSecrets(2, 16)
	many.Set(0, []byte(canary))
	seen := many.Reveal(0)
	many.Wipe()
	if len(many.Reveal(0)) != 0 || !bytes.Equal(seen, make([]byte, 16)) {
		t.Error("a cell still shows the secret")
	}
	card.Secret{}.Wipe()
	if !(card.Secret{}).IsZero() || (card.Secret{}).Reveal() != nil {
		t.Error("the zero secret is not empty")
	}
}

func TestCellsHoldNoMoreThanTheirWidth(t *testing.T) {
	s := card.NewSecrets(2, 3)
	s.Set(0, []byte("123"))
	s.Set(1, []byte("4"))
	s.Set(0, []byte("56"))
	if string(s.Reveal(0)) != "56" || string(s.Reveal(1)) != "4" || s.Len() != 2 || s.Width() != 3 {
		t.Error("cells do not keep apart")
	}
	for name, wrong := range map[string]func(){
		"four bytes in three": func() { s.Set(1, []byte("1234")) },
		"width 0":             func() { card.NewSecrets(1, 0) },
		"width 1025":          func() { card.NewSecrets(1, 1025) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: taken", name)
				}
			}()
			wrong()
		}()
	}
}
