// Package mask makes secrets into names that may be shown.
//
// An identity is often an API key. Logs, events and the admin API must tell one caller from another without giving
// the key away, so they show a short fingerprint of it. Who knows the key can compute the same fingerprint:
//
//	printf %s "$KEY" | sha256sum | cut -c1-12
package mask

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"strings"

	"github.com/gabion-io/gabion"
)

// hidden is how many bytes of the digest are shown. 48 bits tell millions of callers apart.
const hidden = 6

// prefix marks a fingerprint, so that nobody takes it for the key.
const prefix = "sha256:"

// Key returns the name under which a key of a limit, or an identity, is shown: an IP address as it is, "" for "",
// and everything else as its fingerprint, such as "sha256:9f86d081884c".
func Key(value string) string {
	if value == "" || isAddress(value) {
		return value
	}
	return string(AppendKey(nil, value))
}

// AppendKey appends what [Key] returns.
func AppendKey(b []byte, value string) []byte {
	if value == "" || isAddress(value) {
		return append(b, value...)
	}
	var room [128]byte // on the stack: most keys fit
	sum := sha256.Sum256(append(room[:0], value...))
	b = append(b, prefix...)
	return hex.AppendEncode(b, sum[:hidden])
}

// isAddress keeps the cost of parsing away from most keys: an address is short and has a dot or a colon.
func isAddress(value string) bool {
	if len(value) > len("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255") || !strings.ContainsAny(value, ".:") {
		return false
	}
	_, err := netip.ParseAddr(value)
	return err == nil && !strings.Contains(value, "%") // a zone is free text
}

// Error returns the text of err in which the keys of policies' errors, and identity, are masked. "" for nil.
func Error(err error, identity string) string {
	if err == nil {
		return ""
	}
	text := Text(err.Error(), identity)
	eachKey(err, func(key string) { text = Text(text, key) })
	return text
}

// Text returns text with every occurrence of secret, as it is or quoted, masked.
func Text(text, secret string) string {
	name := Key(secret)
	if name == secret {
		return text
	}
	// The quoted form differs only when the secret holds characters that Go escapes.
	if quoted := strconv.Quote(secret); quoted[1:len(quoted)-1] != secret {
		text = strings.ReplaceAll(text, quoted[1:len(quoted)-1], name)
	}
	return strings.ReplaceAll(text, secret, name)
}

// eachKey calls f with the key of every policy's error in the tree of err.
func eachKey(err error, f func(key string)) {
	if e, ok := err.(*gabion.Error); ok && e.Key != "" { //nolint:errorlint // the tree is walked here
		f(e.Key)
	}
	switch e := err.(type) { //nolint:errorlint // the tree is walked here
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			eachKey(inner, f)
		}
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			eachKey(inner, f)
		}
	}
}
