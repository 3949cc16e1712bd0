package front

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gabion-io/gabion/server/config"
	"github.com/gabion-io/gabion/server/gateway/exchange"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// within bounds everything that a test waits for.
const within = 10 * time.Second

// bundle is a front that runs.
type bundle struct {
	*Front
	address string
	log     *strings.Builder
}

// setup starts a front; change may change its configuration.
func setup(t testing.TB, handle func(*exchange.Exchange), change ...func(*Config)) *bundle {
	t.Helper()
	b := &bundle{log: &strings.Builder{}}
	cfg := Config{
		Listeners: config.Listeners{{Address: "127.0.0.1:0"}}, MaxHeader: 8 << 10, MaxBody: 64 << 10,
		HeaderTimeout: within, IdleTimeout: within, Log: slog.New(slog.NewTextHandler(b.log, nil)),
	}
	for _, change := range change {
		change(&cfg)
	}
	f, err := New(cfg, handle)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	b.Front, b.address = f, f.Addrs()[0].String()
	return b
}

// respond answers with a body, which is what most tests need of a gateway.
func respond(status int, header exchange.Fields, body string) func(*exchange.Exchange) {
	return func(x *exchange.Exchange) {
		// Tests look at what the client gets.
		_ = x.Client.Send(answer(status, header, strings.NewReader(body), int64(len(body))))
	}
}

func answer(status int, header exchange.Fields, body io.Reader, length int64) *exchange.Answer {
	if header == nil {
		header = exchange.NewFields()
	}
	return &exchange.Answer{Status: status, Header: header, Body: io.NopCloser(body), Length: length}
}

// unreached fails the test when a request is led through the gateway.
func unreached(t *testing.T) func(*exchange.Exchange) {
	return func(x *exchange.Exchange) {
		t.Errorf("%s %s was led through the gateway", x.Request.Method, x.Request.Target)
		_ = x.Refuse(exchange.Problem{Type: exchange.InternalError}) // the error is enough
	}
}

// wire is a raw connection of a client.
type wire struct {
	net.Conn
	t  testing.TB
	in *bufio.Reader
}

func dial(t testing.TB, address string) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return overlay(t, conn)
}

func overlay(t testing.TB, conn net.Conn) *wire {
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	return &wire{conn, t, bufio.NewReader(conn)}
}

func (w *wire) send(text string) *wire {
	w.t.Helper()
	if _, err := io.WriteString(w.Conn, text); err != nil {
		w.t.Fatal(err)
	}
	return w
}

// read reads an answer and its body. The error is that of the body.
func (w *wire) read(method string) (*http.Response, string, error) {
	w.t.Helper()
	r, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		w.t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	return r, string(body), err
}

// get is a plain request.
const get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"

// client is an HTTP client that speaks one protocol.
func client2(t testing.TB, config *tls.Config) *http.Client {
	protocols := new(http.Protocols)
	if config == nil {
		protocols.SetUnencryptedHTTP2(true)
	} else {
		protocols.SetHTTP2(true)
	}
	transport := &http.Transport{Protocols: protocols, TLSClientConfig: config}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: within}
}

// do sends a request and reads the answer.
func do(t testing.TB, c *http.Client, method, url string, body io.Reader, fields ...string) (*http.Response, string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		request.Header.Add(fields[i], fields[i+1])
	}
	r, err := c.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	return r, string(text), err
}

// identity is a certificate in files, and a client's view of it.
type identity struct {
	files config.TLS
	trust *tls.Config
}

func newIdentity(t testing.TB, dir, name string) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	id := identity{files: config.TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}}
	for path, block := range map[string]*pem.Block{
		id.files.Cert: {Type: "CERTIFICATE", Bytes: der}, id.files.Key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	id.trust = &tls.Config{RootCAs: x509.NewCertPool()}
	id.trust.RootCAs.AddCert(parsed)
	return id
}

func withTLS(id identity) func(*Config) {
	return func(c *Config) { c.Listeners[0].TLS = &id.files }
}

// await gives what comes out of a channel.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	select {
	case v := <-c:
		return v
	case <-ctx.Done():
		t.Fatalf("%s: waited in vain", what)
		panic("not reached")
	}
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(within); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: waited in vain", what)
		}
	}
}
