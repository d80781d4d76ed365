package vectors

import (
	"encoding/hex"
	"strings"

	"platen/hsm/emv"
)

func emvCertificates() []algorithm {
	return []algorithm{
		{"emv_issuer_cert_recover", "an issuer's certificate under the key of a certification authority", "capk_modulus capk_exponent tag90 tag9F32 tag92?", issuerCertificate},
		{"emv_icc_cert_recover", "a card's certificate under its issuer's key", "issuer_modulus issuer_exponent tag9F46 tag9F47 tag9F48? static_data?", cardCertificate},
		{"emv_sda_ssad_recover", "signed static application data", "issuer_modulus issuer_exponent tag93 static_data?", staticSignature},
		{"emv_dda_sdad_recover", "signed dynamic application data", "icc_modulus icc_exponent tag9F4B ddol_data?", dynamicSignature},
	}
}

func (in *inputs) publicKey(owner string) emv.PublicKey {
	return emv.PublicKey{Modulus: in.bytes(owner + "_modulus"), Exponent: in.bytes(owner + "_exponent")}
}

// some reads bytes that may be absent.
func (in *inputs) some(name string) []byte {
	if !in.has(name) {
		return nil
	}
	return in.bytes(name)
}

func upper(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }

// prefixBytes is how much of a modulus is shown.
const prefixBytes = 8

func certificateFields(c emv.Certificate, header, subject string) map[string]any {
	return map[string]any{
		"header": header, "trailer": "BC", subject: upper(c.Subject), "expiry_mmyy": upper(c.Expiry[:]), "serial": upper(c.Serial[:]),
		"hash_alg": upper([]byte{c.HashAlgorithm}), "pk_alg": upper([]byte{c.KeyAlgorithm}), "pk_len": c.KeyLength, "exp_len": c.ExponentSize,
		"modulus_prefix": upper(c.Key.Modulus[:min(prefixBytes, len(c.Key.Modulus))]), "modulus": upper(c.Key.Modulus),
		"hash": upper(c.Hash[:]), "hash_ok": c.HashOK,
	}
}

func issuerCertificate(in *inputs) (any, error) {
	c, err := emv.OpenIssuer(in.publicKey("capk"), in.bytes("tag90"), in.some("tag92"), in.bytes("tag9F32"))
	if err != nil {
		return nil, err
	}
	return certificateFields(c, "6A02", "issuer_id"), nil
}

func cardCertificate(in *inputs) (any, error) {
	c, err := emv.OpenCard(in.publicKey("issuer"), in.bytes("tag9F46"), in.some("tag9F48"), in.bytes("tag9F47"), in.some("static_data"))
	if err != nil {
		return nil, err
	}
	return certificateFields(c, "6A04", "pan"), nil
}

func staticSignature(in *inputs) (any, error) {
	s, err := emv.OpenStatic(in.publicKey("issuer"), in.bytes("tag93"), in.some("static_data"))
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"header": "6A03", "trailer": "BC", "hash_alg": upper([]byte{s.HashAlgorithm}), "dac": upper(s.Code[:]), "pad_all_bb": s.Padded,
		"hash": upper(s.Hash[:]), "hash_ok": s.HashOK,
	}, nil
}

func dynamicSignature(in *inputs) (any, error) {
	s, err := emv.OpenDynamic(in.publicKey("icc"), in.bytes("tag9F4B"), in.some("ddol_data"))
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"header": "6A05", "trailer": "BC", "hash_alg": upper([]byte{s.HashAlgorithm}), "ldd": len(s.Data), "icc_dynamic_number": upper(s.Number),
		"hash_ok": s.HashOK,
	}, nil
}
