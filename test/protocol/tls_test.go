package protocol

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gabion-io/gabion/test/harness"
	"github.com/gabion-io/gabion/test/process"
)

// certificate makes one for 127.0.0.1 and writes it to two files.
func certificate(t *testing.T) (cert, key string, trusted *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "gabion test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trusted = x509.NewCertPool()
	trusted.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	return cert, key, trusted
}

func TestTLS(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header.Get("X-Forwarded-Proto")) })
	cert, key, trusted := certificate(t)
	address := process.Address(t)
	g := harness.Start(t, harness.Config{
		Gateway: "drain: 2s",
		Listen:  fmt.Sprintf("\n    - %%q\n    - {address: %q, tls: {cert: %q, key: %q}}", address, cert, key),
		Rest:    "services:\n  one: {endpoints: [" + url + "]}\nroutes:\n  - {name: all, match: {path: /}, service: one}\n",
	})
	for _, protocol := range []string{"h2", "http/1.1"} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, ForceAttemptHTTP2: protocol == "h2"}
		resp, body := fetch(t, &http.Client{Transport: transport}, request(t, "GET", "https://"+address+"/", nil))
		transport.CloseIdleConnections()
		if resp.StatusCode != 200 || body != "https" || resp.TLS.NegotiatedProtocol != protocol && protocol == "h2" || resp.TLS.Version < tls.VersionTLS12 {
			t.Errorf("%s: %s %s %q, negotiated %q", protocol, resp.Proto, resp.Status, body, resp.TLS.NegotiatedProtocol)
		}
	}
	if resp, body := fetch(t, http.DefaultClient, request(t, "GET", "http://"+g.Address+"/", nil)); body != "http" {
		t.Errorf("without TLS: %s %q", resp.Status, body)
	}
	if _, err := tls.Dial("tcp", address, &tls.Config{RootCAs: trusted, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}
