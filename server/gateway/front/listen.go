package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gabion-io/gabion/server/config"
)

// listener is one address that is listened on.
type listener struct {
	net.Listener
	certificate *certificate // nil without TLS
	closing     sync.Once
	closed      error
}

// Close may be called more than once: a listener that a reload closes is known to net/http until Serve has noticed.
func (l *listener) Close() error {
	l.closing.Do(func() { l.closed = l.Listener.Close() })
	return l.closed
}

// open listens on those addresses of all that are not listened on yet. When one fails, the new ones are closed again.
func (f *Front) open(all config.Listeners) error {
	var opened []string
	for _, l := range all {
		if known := f.listeners[l.Address]; known != nil {
			if (known.certificate == nil) != (l.TLS == nil) {
				return fmt.Errorf("%s: TLS cannot be switched on or off while running; restart", l.Address)
			}
			continue
		}
		open, err := f.listen(l)
		if err != nil {
			for _, address := range opened {
				_ = f.listeners[address].Close() // it has taken no connection yet
				delete(f.listeners, address)
			}
			return err
		}
		f.listeners[l.Address] = open
		opened = append(opened, l.Address)
	}
	for _, l := range all {
		if c := f.listeners[l.Address].certificate; c != nil {
			c.use(*l.TLS)
		}
	}
	for _, address := range opened {
		l := f.listeners[address]
		f.serving.Go(func() { f.serve(l) })
	}
	return nil
}

func (f *Front) serve(l *listener) {
	if err := f.server.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
		f.config.Load().Log.Error("a listener ended", "address", l.Addr().String(), "error", err)
	}
}

// closeOthers closes the listeners that are not among all.
func (f *Front) closeOthers(all config.Listeners) {
	for address, l := range f.listeners {
		if !slices.ContainsFunc(all, func(k config.Listener) bool { return k.Address == address }) {
			_ = l.Close() // its connections go on
			delete(f.listeners, address)
		}
	}
}

func (f *Front) listen(l config.Listener) (*listener, error) {
	open := &listener{}
	if l.TLS != nil {
		open.certificate = &certificate{}
		open.certificate.use(*l.TLS)
		if _, err := open.certificate.get(nil); err != nil {
			return nil, fmt.Errorf("%s: %w", l.Address, err)
		}
	}
	tcp, err := new(net.ListenConfig).Listen(context.Background(), "tcp", l.Address)
	if err != nil {
		return nil, err
	}
	if open.certificate == nil {
		open.Listener = plain{tcp, f.limits}
		return open, nil
	}
	open.Listener = f.secure(tcp, &tls.Config{
		GetCertificate: open.certificate.get, NextProtos: []string{"h2", "http/1.1"}, MinVersion: tls.VersionTLS12,
	})
	return open, nil
}

// look is how often, at most, the files of a certificate are looked at.
const look = time.Second

// certificate is a certificate that is read again when its files change.
type certificate struct {
	mu      sync.Mutex
	files   config.TLS
	looked  time.Time
	written [2]time.Time
	parsed  *tls.Certificate
}

// use names the files.
func (c *certificate) use(files config.TLS) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.files != files {
		c.files, c.looked = files, time.Time{}
	}
}

// get gives the certificate. One that cannot be read any more is used as it was.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < look {
		return c.parsed, nil
	}
	written, err := c.modified()
	if err == nil && (c.parsed == nil || written != c.written) {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.files.Cert, c.files.Key); err == nil {
			c.parsed, c.written = &pair, written
		}
	}
	if c.parsed == nil {
		return nil, err
	}
	c.looked = time.Now()
	return c.parsed, nil
}

func (c *certificate) modified() (at [2]time.Time, err error) {
	for i, path := range []string{c.files.Cert, c.files.Key} {
		info, err := os.Stat(path)
		if err != nil {
			return at, err
		}
		at[i] = info.ModTime()
	}
	return at, nil
}
