package vectors

import (
	"bytes"
	"errors"
	"strings"

	"platen/hsm/material"
	"platen/hsm/thales"
)

func payShield() []algorithm {
	return []algorithm{
		{"thales_variant_lmk", "a key under the published test LMKs; a kcv that is given must come out too", "key_under_lmk lmk_pair variant kcv?", variantLMK},
		{"thales_key_block_header", "the clear front of a Thales key block", "key_block", thalesKeyBlock},
		{"payshield_command", "the answer to a host command under the published test LMKs", "request_after_header", hostCommand},
		{"payshield_frame", "a frame of header and command; of captured traffic only the form of the answer", "command header|request_ascii", frame},
	}
}

func variantLMK(in *inputs) (any, error) {
	slot := thales.Slot{Pair: in.text("lmk_pair"), Variant: in.number("variant", 0, 9)}
	key, err := slot.Decrypt(in.text("key_under_lmk"))
	if err != nil {
		return nil, err
	}
	if in.has("kcv") {
		value, err := material.ZerosTDES(key)
		if err != nil || !bytes.HasPrefix(value[:], in.bytes("kcv")) {
			return nil, errors.New("another check value came out")
		}
	}
	return binary(key), nil
}

func thalesKeyBlock(in *inputs) (any, error) {
	h, err := thales.ParseKeyBlock(in.text("key_block"))
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"tag": "S", "version": h.Version, "length": h.Length, "usage": h.Usage, "algorithm": h.Algorithm, "mode": h.Mode,
		"key_version": h.KeyVersion, "exportability": h.Exportability, "optional_blocks": h.OptionalBlocks, "lmk_id": h.LMK,
		"encrypted_hex": h.Encrypted, "mac": h.MAC,
	}, nil
}

func hostCommand(in *inputs) (any, error) { return thales.Answer(in.text("request_after_header")), nil }

// headerSize is the length of the message header in captured traffic.
const headerSize = 4

func frame(in *inputs) (any, error) {
	if in.has("header") {
		out, err := thales.Frame(in.text("header"), in.text("command"))
		return binary(out), err
	}
	request, _ := in.expected.(string)
	answer := request
	if request = in.text("request_ascii"); len(request) < headerSize+2 {
		in.fail("request_ascii", "must hold a header and a command")
		return nil, in.err
	}
	request = request[headerSize:]
	// An answer in brackets stands without its header.
	if strings.HasPrefix(answer, "(") && strings.HasSuffix(answer, ")") {
		answer = answer[1 : len(answer)-1]
	} else {
		answer = answer[min(headerSize, len(answer)):]
	}
	if request[:2] == "B2" {
		return verdict{ok: thales.Answer(request) == answer}, nil
	}
	reply, ok := thales.ParseReply(answer)
	return verdict{ok: ok && reply.Answers(request), form: true, note: "the LMK of the capture is not known"}, nil
}
