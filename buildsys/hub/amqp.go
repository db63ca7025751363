package hub

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/privyseal/privyseal/buildsys/store"
	"github.com/privyseal/privyseal/internal/ini"
)

// publisher publishes messages to an exchange of an AMQP 0-9-1 broker (RabbitMQ), persistent, and takes each for delivered when
// the broker has confirmed it.
type publisher struct {
	settings AMQPSettings
	tls      *tls.Config
	conn     *amqp.Connection
	ch       *amqp.Channel
}

// AMQPSettings are a section [amqp NAME].
type AMQPSettings struct {
	// URL of the broker: amqps://USER:PASSWORD@HOST/VHOST, or amqp:// on this machine.
	URL string `ini:"url,required"`
	// Exchange that is published to; it must exist. amq.topic unless it is set.
	Exchange string `ini:"exchange"`
	// TopicPrefix stands before the topic in the routing key, such as org.example.prod.buildsys.
	TopicPrefix string `ini:"topic_prefix"`
	// CA holds the CAs that the broker's certificate may be of; Cert is the hub's own, with its key, where the broker wants one.
	CA   string `ini:"ca"`
	Cert string `ini:"cert"`
	// Topics, Timeout and Patience are as for a webhook.
	Topics   []string      `ini:"topics"`
	Timeout  time.Duration `ini:"timeout"`
	Patience time.Duration `ini:"patience"`
}

func readAMQP(f *ini.File, section string) (*Sink, error) {
	c := AMQPSettings{Exchange: "amq.topic", Timeout: 20 * time.Second, Patience: 72 * time.Hour}
	if err := ini.Decode(f.Section(section), &c); err != nil {
		return nil, err
	}
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "amqps" && (u.Scheme != "amqp" || !isLoopback(u.Hostname())) {
		return nil, errors.New("url: want amqps://USER:PASSWORD@HOST/VHOST (plain amqp goes to this machine only)")
	}
	if c.Timeout <= 0 || c.Patience <= 0 {
		return nil, errors.New("timeout and patience must be more than 0")
	}
	p := &publisher{settings: c, tls: &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}}
	if p.tls.RootCAs, err = poolOf(c.CA); err != nil {
		return nil, err
	}
	if c.Cert != "" {
		cert, err := tls.LoadX509KeyPair(c.Cert, c.Cert)
		if err != nil {
			return nil, fmt.Errorf("cert: %w", err)
		}
		p.tls.Certificates = []tls.Certificate{cert}
	}
	return &Sink{Topics: c.Topics, Patience: c.Patience, send: p}, nil
}

// open connects unless there is a connection that lives.
func (p *publisher) open() error {
	if p.conn != nil && !p.conn.IsClosed() && !p.ch.IsClosed() {
		return nil
	}
	p.close()
	cfg := amqp.Config{TLSClientConfig: p.tls, Heartbeat: 10 * time.Second, Dial: amqp.DefaultDial(p.settings.Timeout), Properties: amqp.Table{"product": "privyseal-hub"}}
	if len(p.tls.Certificates) > 0 {
		cfg.SASL = []amqp.Authentication{&amqp.ExternalAuth{}}
	}
	conn, err := amqp.DialConfig(p.settings.URL, cfg)
	if err != nil {
		u, _ := url.Parse(p.settings.URL) // it was read before; the password in it stays out of log and table
		return fmt.Errorf("cannot reach the broker at %s: %w", u.Host, err)
	}
	ch, err := conn.Channel()
	if err == nil {
		err = ch.Confirm(false)
	}
	if err != nil {
		conn.Close()
		return err
	}
	p.conn, p.ch = conn, ch
	return nil
}

func (p *publisher) send(ctx context.Context, m *store.Message) error {
	if err := p.open(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, p.settings.Timeout)
	defer cancel()
	confirm, err := p.ch.PublishWithDeferredConfirmWithContext(ctx, p.settings.Exchange, p.settings.TopicPrefix+m.Topic, false, false, amqp.Publishing{
		ContentType: "application/json", DeliveryMode: amqp.Persistent, MessageId: m.MessageID, Timestamp: m.Created, Type: m.Topic, AppId: "privyseal-hub", Body: []byte(m.Body),
	})
	if err == nil {
		var ok bool
		if ok, err = confirm.WaitContext(ctx); err == nil && !ok {
			err = errors.New("the broker did not take the message")
		}
	}
	if err != nil {
		p.close()
		return fmt.Errorf("publish to exchange %s: %w", p.settings.Exchange, err)
	}
	return nil
}

func (p *publisher) close() {
	if p.conn != nil {
		_ = p.conn.CloseDeadline(time.Now().Add(2 * time.Second)) // what was confirmed is with the broker
		p.conn, p.ch = nil, nil
	}
}
