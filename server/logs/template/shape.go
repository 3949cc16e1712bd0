package template

import "strings"

// kindOf is the part of a message that tells what kind it is: its first line, or the last one of a traceback of Python,
// where the error stands; and not too much of it.
func kindOf(message string) string {
	message = strings.TrimLeft(message, " \t\r\n")
	if strings.HasPrefix(message, "Traceback (most recent call last)") {
		message = strings.TrimRight(message, " \t\r\n")
		message = message[strings.LastIndexByte(message, '\n')+1:]
	}
	message = message[:min(len(message), maxLook)]
	if end := strings.IndexByte(message, '\n'); end >= 0 {
		message = message[:end]
	}
	return message
}

const uuidLength = 36

// uuid says whether a text begins with a UUID.
func uuid(s string) bool {
	if len(s) < uuidLength || len(s) > uuidLength && isWord(s[uuidLength]) {
		return false
	}
	for i := range uuidLength {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if class[s[i]]&hex == 0 {
				return false
			}
		}
	}
	return true
}

// colons is the length of an IPv6 or a MAC address, or a time, at the beginning of a text; 0: there is none.
func colons(s string) int {
	i, parts, length, digits := 0, 0, 0, false
	for ; i < len(s); i++ {
		switch k := class[s[i]]; {
		case s[i] == ':':
			parts++
			length = 0
		case k&hex != 0:
			digits = digits || k&digit != 0
			if length++; length > 4 {
				return 0
			}
		case k&word != 0:
			return 0
		default:
			return ended(s, i, parts, digits)
		}
	}
	return ended(s, i, parts, digits)
}

// ended says how much of the text of colons belongs to the address: a colon at its end is punctuation, two are not.
func ended(s string, end, parts int, digits bool) int {
	if s[end-1] == ':' && !strings.HasSuffix(s[:end], "::") {
		end--
		parts--
	}
	if parts >= 2 && digits || parts >= 5 {
		return end
	}
	return 0
}

// term says whether a word with digits is one that people use as it is, and that does not vary.
func term(w string) bool {
	if len(w) < 2 || len(w) > 7 || class[w[0]]&letter == 0 {
		return false
	}
	if (w[0] == 'v' || w[0] == 'p') && len(w) <= 3 { // versions in paths, percentiles
		return class[w[1]]&class[w[len(w)-1]]&digit != 0
	}
	switch w {
	case "x509", "sha1", "sha256", "sha384", "sha512", "md5", "base64", "crc32", "hs256", "rs256", "es256",
		"h2", "h2c", "http2", "http3", "ipv4", "ipv6", "IPv4", "IPv6", "tcp4", "tcp6", "udp4", "udp6", "socks5", "tls13", "TLSv1", "oauth2", "OAuth2",
		"utf8", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64",
		"s3", "S3", "ec2", "EC2", "k8s", "log4j", "neo4j", "web3", "i18n", "l10n", "e2e", "b2b", "p2p", "E11000":
		return true
	}
	return false
}

// textual says whether the value of a key is what a message is about, or one of a few.
func textual(key []byte) bool {
	switch string(key) {
	case "msg", "message", "err", "error", "event", "reason", "cause", "type", "kind", "class", "level", "lvl", "severity", "state", "status",
		"op", "operation", "action", "method", "component", "module", "logger", "phase", "code":
		return true
	}
	return false
}
