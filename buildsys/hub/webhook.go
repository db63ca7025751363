package hub

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/ini"
)

// webhook posts messages to an https address, signed as the Standard Webhooks say (https://www.standardwebhooks.com): the
// headers webhook-id, webhook-timestamp and webhook-signature, the last one "v1," and the HMAC-SHA256 of "ID.TIMESTAMP.BODY".
// 2xx is delivered; 408, 425, 429 and 5xx are tried again; 410, every other 4xx and redirections are refusals.
type webhook struct {
	url    string
	secret []byte
	client *http.Client
	now    func() time.Time
}

// WebhookSettings are a section [webhook NAME].
type WebhookSettings struct {
	// URL is where messages are posted: https, or http on this machine.
	URL string `ini:"url,required"`
	// SecretFile holds the secret that messages are signed with: 24 bytes or more, or "whsec_" and their base64.
	SecretFile string `ini:"secret_file,required"`
	// CA holds the CAs that the receiver's certificate may be of; the system's unless it is set.
	CA string `ini:"ca"`
	// Topics that it is told of, divided by commas or spaces; all unless it is set.
	Topics []string `ini:"topics"`
	// Timeout bounds one try, Patience is for how long a message is tried: 20 s and 3 days.
	Timeout  time.Duration `ini:"timeout"`
	Patience time.Duration `ini:"patience"`
}

// sinkSections are the sections that name receivers.
func sinkSections(f *ini.File) []string {
	var out []string
	for _, name := range f.Sections() {
		if strings.HasPrefix(name, "webhook ") || strings.HasPrefix(name, "amqp ") {
			out = append(out, name)
		}
	}
	return out
}

// readSinks reads the receivers of a configuration.
func readSinks(f *ini.File) ([]Sink, error) {
	var out []Sink
	for _, section := range sinkSections(f) {
		kind, name, _ := strings.Cut(section, " ")
		var s *Sink
		var err error
		if kind == "webhook" {
			s, err = readWebhook(f, section)
		} else {
			s, err = readAMQP(f, section)
		}
		if err == nil {
			err = checkTopics(s.Topics)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: [%s]: %w", f.Name, section, err)
		}
		if s.Name = strings.TrimSpace(name); checkHubName(s.Name) != nil {
			return nil, fmt.Errorf("%s: [%s]: the receiver needs a name of letters, digits, dots and dashes", f.Name, section)
		}
		for _, o := range out {
			if o.Name == s.Name {
				return nil, fmt.Errorf("%s: [%s]: there are two receivers of that name", f.Name, section)
			}
		}
		out = append(out, *s)
	}
	return out, nil
}

var topics = map[string]bool{store.TopicTag: true, store.TopicUntag: true, store.TopicBuildState: true, store.TopicSign: true, "repo": true,
	"repo.init": true, "repo.done": true, "repo.expired": true, "repo.deleted": true, "repo.problem": true}

func checkTopics(list []string) error {
	for _, t := range list {
		if !topics[t] {
			return fmt.Errorf("topics: no topic %.40q: there are tag, untag, build.state.change, rpm.sign, repo, repo.init, repo.done, repo.expired, repo.deleted and repo.problem", t)
		}
	}
	return nil
}

func readWebhook(f *ini.File, section string) (*Sink, error) {
	c := WebhookSettings{Timeout: 20 * time.Second, Patience: 72 * time.Hour}
	if err := ini.Decode(f.Section(section), &c); err != nil {
		return nil, err
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return nil, fmt.Errorf("url %q: want https://HOST/PATH (plain http goes to this machine only)", c.URL)
	}
	secret, err := readSecret(c.SecretFile)
	if err != nil {
		return nil, err
	}
	if c.Timeout <= 0 || c.Patience <= 0 {
		return nil, errors.New("timeout and patience must be more than 0")
	}
	t := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, Proxy: http.ProxyFromEnvironment}
	if t.TLSClientConfig.RootCAs, err = poolOf(c.CA); err != nil {
		return nil, err
	}
	return &Sink{Topics: c.Topics, Patience: c.Patience, send: &webhook{url: c.URL, secret: secret, now: time.Now, client: &http.Client{Transport: t, Timeout: c.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// poolOf reads CAs; nil, the system's, without a file.
func poolOf(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca %s: it holds no certificate in PEM", path)
	}
	return pool, nil
}

// minSecret is how many bytes a secret has at least, as the Standard Webhooks want it.
const minSecret = 24

func readSecret(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("secret_file: %w", err)
	}
	data = bytes.TrimSpace(data)
	if b64, ok := bytes.CutPrefix(data, []byte("whsec_")); ok {
		if data, err = base64.StdEncoding.DecodeString(string(b64)); err != nil {
			return nil, fmt.Errorf("secret_file %s: what follows whsec_ is no base64", path)
		}
	}
	if len(data) < minSecret {
		return nil, fmt.Errorf("secret_file %s: it holds %d bytes, want %d or more: make one with: openssl rand -hex 32", path, len(data), minSecret)
	}
	return data, nil
}

func (w *webhook) sign(id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, w.secret)
	fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (w *webhook) send(ctx context.Context, m *store.Message) error {
	body := []byte(m.Body)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	stamp := strconv.FormatInt(w.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "privyseal-hub")
	req.Header.Set("Webhook-Id", m.MessageID)
	req.Header.Set("Webhook-Timestamp", stamp)
	req.Header.Set("Webhook-Signature", w.sign(m.MessageID, stamp, body))
	req.Header.Set("Privyseal-Topic", m.Topic)
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // it only helps the person who reads the error
	switch code := resp.StatusCode; {
	case code >= 200 && code < 300:
		return nil
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests:
		return fmt.Errorf("answered %s: %.200q", resp.Status, text)
	default:
		return fmt.Errorf("%w: answered %s: %.200q", errRefused, resp.Status, text)
	}
}

func (w *webhook) close() { w.client.CloseIdleConnections() }
