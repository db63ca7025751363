package pgp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
)

// The armor types that we read and write.
const (
	armorPublicKey = "PGP PUBLIC KEY BLOCK"
	armorSecretKey = "PGP PRIVATE KEY BLOCK"
	armorSignature = "PGP SIGNATURE"
)

var (
	armorBegin = []byte("-----BEGIN ")
	armorEnd   = []byte("-----END ")
	armorDash  = []byte("-----")
)

// block is one armored block, decoded.
type block struct {
	kind string
	data []byte
}

// armored tells whether b holds armor rather than packets: the first octet of a packet has its top bit set, text has not.
func armored(b []byte) bool {
	return len(b) > 0 && b[0] < 0x80 && bytes.Contains(b, armorBegin)
}

// decodeArmor reads every armored block in text. Text between blocks is skipped, as in the key files that distributions publish.
// The checksum may be absent (RFC 9580 makes it optional) but when it is there it must be right: a damaged copy is named as such.
func decodeArmor(text []byte) ([]block, error) {
	var blocks []block
	lineNo := 0
	next := func() ([]byte, bool) {
		if len(text) == 0 {
			return nil, false
		}
		line, rest, _ := bytes.Cut(text, []byte("\n"))
		text = rest
		lineNo++
		return bytes.TrimRight(line, " \t\r"), true
	}
	for {
		line, ok := next()
		if !ok {
			return blocks, nil
		}
		if !bytes.HasPrefix(line, armorBegin) || !bytes.HasSuffix(line, armorDash) || len(line) < len(armorBegin)+len(armorDash) {
			continue
		}
		kind := string(line[len(armorBegin) : len(line)-len(armorDash)])
		start := lineNo
		// Headers end at an empty line; some writers leave both out.
		var body, sum []byte
		inHeaders, closed := true, false
		for !closed {
			line, ok = next()
			switch {
			case !ok:
				return nil, fmt.Errorf("line %d: armored block %.40q has no END line", start, kind)
			case bytes.HasPrefix(line, armorEnd):
				if string(line) != "-----END "+kind+"-----" {
					return nil, fmt.Errorf("line %d: END line does not match BEGIN %.40q of line %d", lineNo, kind, start)
				}
				closed = true
			case inHeaders && len(line) == 0:
				inHeaders = false
			case inHeaders && bytes.Contains(line, []byte(": ")):
			case sum == nil && len(line) == 5 && line[0] == '=':
				sum = line[1:]
				inHeaders = false
			case len(line) == 0:
			case sum != nil:
				return nil, fmt.Errorf("line %d: data after the armor checksum", lineNo)
			default:
				inHeaders = false
				body = append(body, line...)
			}
		}
		data, err := base64.StdEncoding.DecodeString(string(body))
		if err != nil {
			return nil, fmt.Errorf("armored block of line %d: not base64", start)
		}
		if sum != nil {
			want, err := base64.StdEncoding.DecodeString(string(sum))
			if err != nil || !bytes.Equal(want, crc24(data)) {
				return nil, fmt.Errorf("armored block of line %d: checksum does not match, the copy is damaged", start)
			}
		}
		blocks = append(blocks, block{kind, data})
	}
}

// encodeArmor writes one block, with the checksum that rpm 4 insists on.
func encodeArmor(kind string, data []byte) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "-----BEGIN %s-----\n\n", kind)
	for text := base64.StdEncoding.EncodeToString(data); len(text) > 0; {
		n := min(64, len(text))
		out.WriteString(text[:n])
		out.WriteByte('\n')
		text = text[n:]
	}
	fmt.Fprintf(&out, "=%s\n-----END %s-----\n", base64.StdEncoding.EncodeToString(crc24(data)), kind)
	return out.Bytes()
}

// crc24 is the checksum of RFC 9580, section 6.1.1.
func crc24(data []byte) []byte {
	crc := uint32(0xb704ce)
	for _, b := range data {
		crc ^= uint32(b) << 16
		for range 8 {
			crc <<= 1
			if crc&0x1000000 != 0 {
				crc ^= 0x1864cfb
			}
		}
	}
	return []byte{byte(crc >> 16), byte(crc >> 8), byte(crc)}
}

// Dearmor gives the packets of a detached signature file: the one armored signature block in it, or b itself when it is binary.
func Dearmor(b []byte) ([]byte, error) {
	if len(b) > maxSignature*2 {
		return nil, fmt.Errorf("signature of %d bytes is longer than the limit of %d", len(b), maxSignature*2)
	}
	if !armored(b) {
		return b, nil
	}
	blocks, err := decodeArmor(b)
	if err != nil {
		return nil, err
	}
	if len(blocks) != 1 || blocks[0].kind != armorSignature {
		return nil, errors.New("not one armored PGP SIGNATURE")
	}
	return blocks[0].data, nil
}

// ArmorSignature wraps a signature packet as a PGP SIGNATURE block: the content of an .asc file.
func ArmorSignature(packet []byte) []byte { return encodeArmor(armorSignature, packet) }

// DearmorSecretKey gives the packets of an armored secret key, or b itself when it is binary.
func DearmorSecretKey(b []byte) ([]byte, error) {
	if len(b) > maxCertificate {
		return nil, fmt.Errorf("secret key of %d bytes is longer than the limit of %d", len(b), maxCertificate)
	}
	if !armored(b) {
		return b, nil
	}
	blocks, err := decodeArmor(b)
	if err != nil {
		return nil, err
	}
	if len(blocks) != 1 || blocks[0].kind != armorSecretKey {
		return nil, errors.New("not one armored PGP PRIVATE KEY BLOCK")
	}
	return blocks[0].data, nil
}
