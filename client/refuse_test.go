package client_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/client"
	"github.com/privyseal/privyseal/internal/lab"
	"github.com/privyseal/privyseal/internal/pgp"
)

const repomdXML = `<?xml version="1.0" encoding="UTF-8"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo" xmlns:rpm="http://linux.duke.edu/metadata/rpm">
  <revision>1781500000</revision>
  <data type="primary">
    <checksum type="sha256">e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855</checksum>
    <open-checksum type="sha256">e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855</open-checksum>
    <location href="repodata/e3b0c442-primary.xml.gz"/>
    <timestamp>1781500000</timestamp>
    <size>134</size>
    <open-size>123</open-size>
  </data>
</repomd>
`

func TestSignRepomd(t *testing.T) {
	s := upSite(t)
	armored, err := s.unlock(keyRepo).SignRepomd(context.Background(), []byte(repomdXML))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(armored), "-----BEGIN PGP SIGNATURE-----") {
		t.Errorf("not armored: %.40q", armored)
	}
}

func TestSignData(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyData)
	for _, data := range []string{"", "hello\n", "{\"a\": 1}\n", "<html/>", "tree of life\n"} {
		packet, err := key.SignData(context.Background(), []byte(data))
		if err != nil {
			t.Errorf("%q: %v", data, err)
			continue
		}
		if res, err := pgp.NewKeyring(key.Certificate).Verify(packet, []byte(data)); err != nil || res.State != pgp.Verified {
			t.Errorf("%q: %v %v", data, res, err)
		}
	}
}

// No way leads to a signature over an RPM header except a key for RPMs and the
// operation for headers; and so on for every purpose.
func TestPurposesAreKept(t *testing.T) {
	s := upSite(t)
	ctx := context.Background()
	rpmKey, repoKey, dataKey := s.unlock(keyEdDSA), s.unlock(keyRepo), s.unlock(keyData)
	header := sample(t)
	for name, ask := range map[string]func() error{
		"header with the repomd key": func() error { return signAll(t, repoKey, [][]byte{header})[0].Err },
		"header with the data key":   func() error { return signAll(t, dataKey, [][]byte{header})[0].Err },
		"repomd with the rpm key":    func() error { _, err := rpmKey.SignRepomd(ctx, []byte(repomdXML)); return err },
		"repomd with the data key":   func() error { _, err := dataKey.SignRepomd(ctx, []byte(repomdXML)); return err },
		"data with the rpm key":      func() error { _, err := rpmKey.SignData(ctx, []byte("x")); return err },
		"data with the repomd key":   func() error { _, err := repoKey.SignData(ctx, []byte("x")); return err },
	} {
		if err := ask(); !errors.Is(err, client.ErrPurpose) {
			t.Errorf("%s: %v, want ErrPurpose", name, err)
		}
	}
}

func refusedData(t *testing.T, rule string, inputs ...string) {
	t.Helper()
	s := upSite(t)
	key := s.unlock(keyData)
	for _, data := range inputs {
		packet, err := key.SignData(context.Background(), []byte(data))
		var refused *client.RefusedError
		if !errors.As(err, &refused) || !errors.Is(err, client.ErrContent) || refused.Rule != rule || packet != nil {
			t.Errorf("%.60q: %v (packet of %d bytes), want a refusal by rule %s", data, err, len(packet), rule)
		}
	}
}

func TestDataRefusesRPM(t *testing.T) {
	rpm, err := os.ReadFile(lab.Testdata(t, "rpms", "plain-1.0-1.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	refusedData(t, "rpm", string(rpm))
}

func TestDataRefusesRPMHeader(t *testing.T) {
	header := string(sample(t))
	refusedData(t, "rpm-header", header, header+"payload", "\x00\x00\x00\x00"+header)
}

func TestDataRefusesRepomd(t *testing.T) {
	utf16 := "\xff\xfe" + strings.Join(strings.Split(repomdXML, ""), "\x00") + "\x00"
	refusedData(t, "repomd", repomdXML, "\ufeff"+repomdXML, "\n <!-- x --> <repomd/>", "<x:repomd xmlns:x='y'/>",
		"<!DOCTYPE x [<!ENTITY y 'z'>]><repomd/>", utf16, "<?xml version='1.0'?><?pi x?>\n<repomd>",
		"<?xml version='1.0' encoding='UTF-7'?><r+AGU-pomd/>", "<?xml version=\"1.0\"\n encoding = \"ibm037\"?>\x4c")
}

func TestDataRefusesGitObjects(t *testing.T) {
	hash := strings.Repeat("0123456789", 4)
	refusedData(t, "git",
		"tree "+hash+"\nauthor A <a@example.org> 1 +0000\ncommitter A <a@example.org> 1 +0000\n\nmessage\n",
		"tree "+hash+strings.Repeat("a", 24)+"\nauthor A\n",
		"object "+hash+"\ntype commit\ntag v1\ntagger A <a@example.org> 1 +0000\n\nv1\n",
		"commit 200\x00tree "+hash+"\n", "tag 100\x00object "+hash+"\n", "certificate version 0.1\npusher A\n")
}

func TestDataRefusesSimpleSigning(t *testing.T) {
	doc := `{"critical":{"type":"atomic container signature","image":{"docker-manifest-digest":"sha256:0"},"identity":{"docker-reference":"example.org/x"}},"optional":{}}`
	refusedData(t, "simple-signing", doc, "\n\t"+doc, `{"optional":{"a":["b",{"c":"d"}]},"critical":{}}`, `{"\u0063ritical":1}`, `{"x":"critical","Critical":null}`,
		`{"a":[{"critical":1}],"critical" `+strings.Repeat("\n", 200)+`:{}}`, `{"a\\":"\"","\u0043RITICAL":{}}`)
}

func TestRepomdRefusesWhatIsNotRepomd(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyRepo)
	cut := func(old, repl string) string { return strings.Replace(repomdXML, old, repl, 1) }
	for name, data := range map[string]string{
		"empty":              "",
		"text":               "hello\n",
		"rpm header":         string(sample(t)),
		"other root":         cut("<repomd ", "<metadata ") + "",
		"no namespace":       cut(`xmlns="http://linux.duke.edu/metadata/repo"`, ""),
		"no data":            `<repomd xmlns="http://linux.duke.edu/metadata/repo"></repomd>`,
		"no checksum":        cut("<checksum", "<other") + "",
		"no location":        cut(`<location href="repodata/e3b0c442-primary.xml.gz"/>`, ""),
		"malformed checksum": cut(">e3b0", ">zzzz"),
		"md5":                cut(`<checksum type="sha256">`, `<checksum type="md5">`),
		"cut off":            repomdXML[:len(repomdXML)-12],
		"document type":      cut("<repomd ", "<!DOCTYPE repomd []><repomd "),
		"second root":        repomdXML + "<!-- --><x/>",
		"text after":         repomdXML + "x",
		"unknown entity":     cut("<size>134", "<size>&x;"),
		"no number":          cut("<size>134", "<size>&#1x3;"),
		"number of a NUL":    cut("<size>134", "<size>&#0;"),
		"control character":  cut(`type="primary"`, "type=\"pri\x01mary\""),
		"inside a checksum":  cut("<checksum type=\"sha256\">", "<checksum type=\"sha256\"><x>0</x>"),
		"two locations":      cut("<location ", `<location href="other"/><location `),
		"CDATA":              cut("<size>134", "<size><![CDATA[1]]>"),
		"UTF-16":             cut("UTF-8", "UTF-16"),
		"not UTF-8":          cut("134", "\xff"),
		"twice an attribute": cut(`type="primary"`, `type="primary" type="x"`),
		"deep":               cut("<size>134</size>", strings.Repeat("<a>", 20)+strings.Repeat("</a>", 20)),
		"too large":          cut("<size>134", "<!--"+strings.Repeat("x", 1<<20)+"--><size>134"),
	} {
		t.Run(name, func(t *testing.T) {
			armored, err := key.SignRepomd(context.Background(), []byte(data))
			if !errors.Is(err, client.ErrContent) || armored != nil {
				t.Errorf("%v, want ErrContent", err)
			}
		})
	}
}

func TestHeaderRefusals(t *testing.T) {
	s := upSite(t)
	key := s.unlock(keyEdDSA)
	header := sample(t)
	broken := map[string][]byte{
		"empty":               {},
		"text":                []byte("hello"),
		"cut off":             header[:len(header)-1],
		"something after it":  append(header[:len(header):len(header)], 0),
		"repomd":              []byte(repomdXML),
		"signature header":    {0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 62, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0},
		"claims 4 GiB":        {0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"no payload digest":   replaceTag(header, 5092, 5000),
		"larger than allowed": make([]byte, 64<<20+1),
	}
	for name, h := range broken {
		t.Run(name, func(t *testing.T) {
			r := signAll(t, key, [][]byte{h})[0]
			if !errors.Is(r.Err, client.ErrContent) || r.Packet != nil {
				t.Errorf("%v, want ErrContent", r.Err)
			}
		})
	}
}

// replaceTag renames a tag in a header's index.
func replaceTag(header []byte, from, to uint16) []byte {
	out := append([]byte(nil), header...)
	n := int(out[10])<<8 | int(out[11])
	for i := range n {
		e := out[16+16*i:]
		if e[0] == 0 && e[1] == 0 && uint16(e[2])<<8|uint16(e[3]) == from {
			e[2], e[3] = byte(to>>8), byte(to)
		}
	}
	return out
}
