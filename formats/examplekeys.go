package formats

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"platen/card"
	"platen/hsm"
	"platen/hsm/datablock"
	"platen/hsm/material"
)

// testKeys are the clear keys of a layout's test. They are known to everybody and stand for those that a security module holds.
type testKeys map[card.KeyLabel]testKey

type testKey struct {
	datablock.Key
	kcv string
}

// read reads a mapping of labels to keys in hexadecimal digits.
func (k testKeys) read(l *Layout) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		return eachKey(n, "keys", nil, func(label string, value *yaml.Node) error {
			for i := range l.sealed {
				if string(l.sealed[i].Key) != label {
					continue
				}
				key, err := newTestKey(l.sealed[i].Mode, value.Value)
				if err != nil {
					return faultAt(value, "key %s: %v", label, err)
				}
				k[l.sealed[i].Key] = key
				return nil
			}
			return faultAt(value, "keys: the layout enciphers nothing under %q", label)
		})
	}
}

func newTestKey(mode hsm.DataMode, digits string) (testKey, error) {
	raw, err := hex.DecodeString(digits)
	if err != nil {
		return testKey{}, errHex
	}
	check := material.ZerosTDES
	if mode.IsAES() {
		check = func(key []byte) (out [8]byte, err error) {
			sum, err := material.CMACAES(key)
			return [8]byte(sum[:8]), err
		}
	}
	var out testKey
	if out.Key, err = datablock.NewKey(mode, raw); err != nil {
		return out, err
	}
	value, err := check(raw)
	out.kcv = strings.ToUpper(hex.EncodeToString(value[:material.CheckValueSize]))
	return out, err
}

// on is the layout that enciphers under these keys, and sets their check values in the head.
func (k testKeys) on(l *Layout, head *Record) (*Layout, error) {
	for i, label := range l.Keys() {
		key, ok := k[label]
		if !ok {
			return nil, fmt.Errorf("the test has no key %s", label)
		}
		l.SetKCV(head, i, key.kcv)
	}
	return l.sealing(func(n int, data []byte) error {
		c := &l.sealed[n].Cipher
		k[c.Key].Encrypt(c.Mode, data)
		return nil
	}), nil
}

// open deciphers what a record that was read has enciphered, and compares it with what the record that was written had.
func (k testKeys) open(l *Layout, got, written *Record) error {
	for n := range l.sealed {
		c := &l.sealed[n].Cipher
		data, err := l.Enciphered(n, got)
		if err != nil {
			return err
		}
		k[c.Key].Decrypt(c.Mode, data)
		want, err := l.AppendData(nil, n, written)
		if err != nil {
			return err
		}
		if !bytes.Equal(data, want) {
			return &ValueError{Field: l.sealed[n].data.label, Reason: errTwoValues}
		}
		if err := l.TakeData(got, n, data); err != nil {
			return err
		}
	}
	l.spend(got)
	return nil
}
