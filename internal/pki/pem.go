package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

// maxPEM bounds what is read as PEM.
const maxPEM = 1 << 20

// PEM is the certificate, followed by the key if there is one: the form that
// "certificate and key in one file" means all over Privyseal.
func (l *Leaf) PEM() ([]byte, error) {
	out := EncodeCertificate(l.Cert)
	if l.Key == nil {
		return out, nil
	}
	key, err := EncodeKey(l.Key)
	if err != nil {
		return nil, err
	}
	return append(out, key...), nil
}

// CertPEM is the certificate alone.
func (l *Leaf) CertPEM() []byte { return EncodeCertificate(l.Cert) }

// KeyPEM is the key alone.
func (l *Leaf) KeyPEM() ([]byte, error) {
	if l.Key == nil {
		return nil, errors.New("the certificate was issued for somebody else's key")
	}
	return EncodeKey(l.Key)
}

// EncodeCertificate gives a certificate in PEM.
func EncodeCertificate(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// EncodeKey gives a private key in PEM (PKCS #8, not encrypted).
func EncodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// EncodeCSR gives a certificate request in PEM.
func EncodeCSR(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// ParseCertificate reads the first certificate in data (PEM, or one in DER).
func ParseCertificate(data []byte) (*x509.Certificate, error) {
	der, err := firstBlock(data, "CERTIFICATE")
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// ParseKey reads the first private key in data (PEM: PKCS #8, SEC 1, PKCS #1).
func ParseKey(data []byte) (crypto.Signer, error) {
	if len(data) > maxPEM {
		return nil, fmt.Errorf("private key: more than %d bytes", maxPEM)
	}
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			return nil, errors.New("no private key found: expected a PEM block \"PRIVATE KEY\"")
		}
		var key any
		var err error
		switch b.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(b.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(b.Bytes)
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(b.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the private key is encrypted: give it without a passphrase, in a file only you can read")
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("private key: %w", err)
		}
		s, ok := key.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("private key: %T cannot sign", key)
		}
		return s, nil
	}
}

// ParseCSR reads a certificate request (PEM or DER) and checks that whoever made
// it holds the key.
func ParseCSR(data []byte) (*x509.CertificateRequest, error) {
	der, err := firstBlock(data, "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
	if err != nil {
		return nil, err
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request: its signature does not verify: %w", err)
	}
	return csr, nil
}

// firstBlock gives the first PEM block of one of the types, or data itself when
// it is DER (an ASN.1 sequence).
func firstBlock(data []byte, types ...string) ([]byte, error) {
	if len(data) > maxPEM {
		return nil, fmt.Errorf("%s: more than %d bytes", types[0], maxPEM)
	}
	if len(data) > 0 && data[0] == 0x30 {
		return data, nil
	}
	for {
		var b *pem.Block
		if b, data = pem.Decode(data); b == nil {
			return nil, fmt.Errorf("no PEM block %q found", types[0])
		}
		for _, t := range types {
			if b.Type == t {
				return b.Bytes, nil
			}
		}
	}
}
