package mash_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privyseal/privyseal/buildsys/mash"
	"github.com/privyseal/privyseal/internal/lab"
)

// TestRefuses holds that one package that is not as it should be refuses the
// whole compose before a byte is written, and is named with what to do.
func TestRefuses(t *testing.T) {
	t.Parallel()
	const victim = "tool-1.2-3.x86_64"
	edit := func(t *testing.T, path string, change func([]byte) []byte) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, change(b), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		break_ func(t *testing.T, r *rig, copyPath string)
		reason mash.Reason
		advice string
	}{
		{"never signed", func(t *testing.T, r *rig, path string) {
			r.rpm(t, victim).Sigkeys = nil
			os.Remove(path)
		}, mash.NoSig, "privyseal sign-build tool-1.2-3 --key"},
		{"signed, copy not written", func(t *testing.T, r *rig, path string) { os.Remove(path) }, mash.NoSig, "privyseal write-signed-rpm"},
		{"the hub says signed, the file is not", func(t *testing.T, r *rig, path string) {
			edit(t, path, func([]byte) []byte {
				b, err := os.ReadFile(r.hub.Path(*r.rpm(t, victim)))
				if err != nil {
					t.Fatal(err)
				}
				return b
			})
		}, mash.NoSig, "privyseal sign-build"},
		{"signed by a stranger", func(t *testing.T, r *rig, path string) {
			key(t, lab.KeyOtherEdDSA).SignRPM(t, path)
		}, mash.Unknown, "privyseal add-signing-key"},
		{"payload altered", func(t *testing.T, r *rig, path string) {
			edit(t, path, func(b []byte) []byte { b[len(b)-1] ^= 1; return b })
		}, mash.Damaged, "restore the file"},
		{"header altered, digests mended", func(t *testing.T, r *rig, path string) {
			// An attacker's own package under the signature of another.
			other := lab.RPM{Name: "tool", Version: "1.2", Release: "3", Arch: "x86_64"}.Write(t, t.TempDir())
			sig := signatureOf(t, path)
			edit(t, path, func([]byte) []byte { return transplant(t, other, sig) })
		}, mash.BadSig, "privyseal sign-build"},
		{"cut off", func(t *testing.T, r *rig, path string) {
			edit(t, path, func(b []byte) []byte { return b[:500] })
		}, mash.Unread, "restore the file"},
		{"another package, well signed", func(t *testing.T, r *rig, path string) {
			b, err := os.ReadFile(r.hub.SignedPath(*r.rpm(t, "plain-1.0-1.noarch"), r.key.Sigkey(t)))
			if err != nil {
				t.Fatal(err)
			}
			edit(t, path, func([]byte) []byte { return b })
		}, mash.Another, "restore the file"},
		{"no file at all", func(t *testing.T, r *rig, path string) {
			os.Remove(path)
			os.Remove(r.hub.Path(*r.rpm(t, victim)))
		}, mash.Missing, "untag tool-1.2-3"},
		{"a list that leads elsewhere", func(t *testing.T, r *rig, path string) {
			r.rpm(t, victim).BuildVersion = "../../.."
		}, mash.Unread, "check the hub"},
		{"keys are strict", func(t *testing.T, r *rig, path string) {
			r.extra = "strict_keys = True\nkeys = 11111111 " + r.key.Sigkey(t) + "\n"
			r.hub.Known = append(r.hub.Known, key(t, lab.KeyOtherEdDSA).PublicKey())
			key(t, lab.KeyOtherEdDSA).SignRPM(t, path)
		}, mash.NotKeys, "with one of: 11111111, "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := signed(t)
			c.break_(t, r, r.hub.SignedPath(*r.rpm(t, victim), r.key.Sigkey(t)))
			_, err := r.compose(t)
			var refused *mash.RefusedError
			if !errors.As(err, &refused) || len(refused.Problems) != 1 {
				t.Fatalf("got %v", err)
			}
			p := refused.Problems[0]
			if !strings.HasPrefix(p.NVRA, "tool-1.2-3.") || p.Reason != c.reason || !strings.Contains(p.Advice, c.advice) {
				t.Errorf("got %s", p)
			}
			if !strings.Contains(err.Error(), "\n  "+p.String()) {
				t.Errorf("the error does not name it: %v", err)
			}
			if _, err := os.Stat(r.output); err == nil {
				t.Error("something was written")
			}
		})
	}
}

// TestSourcesAndDebugAreHeldToTheSame unsigns one of each.
func TestSourcesAndDebugAreHeldToTheSame(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	left := []string{"tool-1.2-3.src", "tool-debuginfo-1.2-3.i686", "packed-1.0-1.noarch"}
	r.hub.Sign(t, tag, r.key, func(p mash.RPM) bool { return !slices.Contains(left, p.NVRA()) })
	_, err := r.compose(t)
	var refused *mash.RefusedError
	if !errors.As(err, &refused) || len(refused.Problems) != len(left) {
		t.Fatalf("got %v", err)
	}
	for _, p := range refused.Problems {
		if !slices.Contains(left, p.NVRA) || p.Reason != mash.NoSig {
			t.Errorf("%s", p)
		}
	}
}

// TestUnsigned holds what the two options that sound alike do.
func TestUnsigned(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.extra = "strict_keys = False\n"
	if _, err := r.compose(t); err == nil || !strings.Contains(err.Error(), "strict_keys = False does not") {
		t.Errorf("strict_keys = False lets unsigned packages through: %v", err)
	}
	r.extra += "unsigned = allow\n"
	res := r.mustCompose(t)
	n := 0
	for _, w := range res.Warnings {
		if strings.Contains(w, "published unsigned") {
			n++
		}
	}
	if n != len(samples) {
		t.Errorf("%d warnings for %d packages", n, len(samples))
	}
	// What is there must be right even so.
	key(t, lab.KeyOtherEdDSA).SignRPM(t, r.hub.Path(*r.rpm(t, "plain-1.0-1.noarch")))
	b, err := os.ReadFile(r.hub.Path(*r.rpm(t, "packed-1.0-1.noarch")))
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(r.hub.Path(*r.rpm(t, "packed-1.0-1.noarch")), b, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err = r.compose(t)
	var refused *mash.RefusedError
	if !errors.As(err, &refused) || len(refused.Problems) != 2 || refused.Problems[0].Reason != mash.Damaged || refused.Problems[1].Reason != mash.Unknown {
		t.Errorf("unsigned = allow lets bad packages through: %v", err)
	}
}

// TestKeys holds the order of preference, the section's own keyring, and that
// an imported file that carries the signature needs no copy.
func TestKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := key(t, lab.KeyRSASubkey)
	r.hub.Known = append(r.hub.Known, other.PublicKey())
	r.hub.Sign(t, tag, r.key, nil)
	r.hub.Sign(t, tag, other, nil)
	published := func(res *mash.Result) []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(res.Link, "x86_64/Packages/tool-1.2-3.x86_64.rpm"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	copyOf := func(sigkey string) []byte {
		t.Helper()
		b, err := os.ReadFile(r.hub.SignedPath(*r.rpm(t, "tool-1.2-3.x86_64"), sigkey))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, k := range []string{r.key.Sigkey(t), other.Sigkey(t)} {
		r.extra = "keys = 00000000 " + strings.ToUpper(k) + "\n"
		if res := r.mustCompose(t); !bytes.Equal(published(res), copyOf(k)) {
			t.Errorf("keys = %s: another copy was published", k)
		} else if len(res.Warnings) != 0 {
			t.Errorf("warnings: %v", res.Warnings)
		}
	}
	r.extra = "keys = 00000000\n"
	if res := r.mustCompose(t); len(res.Warnings) != len(samples) || !strings.Contains(res.Warnings[0], "which is not in keys") {
		t.Errorf("warnings: %v", res.Warnings)
	}

	// With a keyring of its own the section does not ask the hub.
	file := filepath.Join(t.TempDir(), "keys.asc")
	if err := os.WriteFile(file, other.PublicKey(), 0o644); err != nil {
		t.Fatal(err)
	}
	r.hub.Known = nil
	r.extra = "keyring = " + file + "\nkeys = " + r.key.Sigkey(t) + " " + other.Sigkey(t) + "\n"
	if res := r.mustCompose(t); !bytes.Equal(published(res), copyOf(other.Sigkey(t))) {
		t.Error("the copy by a key that the keyring lacks was published")
	}
	r.extra = ""
	if _, err := r.compose(t); err == nil || strings.Count(err.Error(), string(mash.Unknown)) != len(samples) {
		t.Errorf("a hub that knows no keys: %v", err)
	}

	// Imported signed: header only, and with the payload.
	r = newRig(t)
	r.hub.Tags[tag] = nil
	for _, name := range []string{"plain-1.0-2.noarch.rpm", "plain-1.0-5.noarch.rpm"} {
		r.hub.Import(t, tag, lab.Testdata(t, "rpms", name))
	}
	if _, err := r.compose(t); err == nil {
		t.Error("signatures of a stranger are accepted")
	}
	stranger := key(t, lab.KeyOtherEdDSA)
	r.hub.Known = [][]byte{stranger.PublicKey()}
	for i := range r.hub.Tags[tag] {
		r.hub.Tags[tag][i].Sigkeys = []string{stranger.Sigkey(t)}
	}
	r.mustCompose(t)
}

// TestOldPackages holds that a signature of a header that says nothing about
// its payload does not count, and one over both does.
func TestOldPackages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hub.Tags[tag] = nil
	path := filepath.Join(t.TempDir(), "old.rpm")
	if err := os.WriteFile(path, lab.RPM{Name: "old"}.Old(t), 0o644); err != nil {
		t.Fatal(err)
	}
	r.hub.Import(t, tag, path)
	r.hub.Sign(t, tag, r.key, nil)
	_, err := r.compose(t)
	var refused *mash.RefusedError
	if !errors.As(err, &refused) || refused.Problems[0].Reason != mash.BadSig || !strings.Contains(err.Error(), "would not cover the payload") {
		t.Errorf("a signature of the header alone: %v", err)
	}
	copyPath := r.hub.SignedPath(r.hub.Tags[tag][0], r.key.Sigkey(t))
	r.key.SignWhole(t, copyPath)
	r.mustCompose(t)
	key(t, lab.KeyOtherEdDSA).SignWhole(t, copyPath)
	if _, err := r.compose(t); !errors.As(err, &refused) || refused.Problems[0].Reason != mash.Unknown {
		t.Errorf("a stranger's signature of header and payload: %v", err)
	}
}

// TestExclusiveArch keeps a noarch package out of the trees that its source
// package excludes.
func TestExclusiveArch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.hub.Tags[tag] = nil
	dir := t.TempDir()
	spec := filepath.Join(dir, "picky.spec")
	text := "Name: picky\nVersion: 1\nRelease: 1\nSummary: picky\nLicense: Apache-2.0\nBuildArch: noarch\nExclusiveArch: noarch x86_64\n" +
		"%description\npicky\n%install\nmkdir -p %{buildroot}/usr/share/picky\n%files\n/usr/share/picky\n"
	if err := os.WriteFile(spec, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	rpmbuild(t, dir, spec)
	r.hub.Import(t, tag, filepath.Join(dir, "RPMS/noarch/picky-1-1.noarch.rpm"), filepath.Join(dir, "SRPMS/picky-1-1.src.rpm"))
	r.hub.Sign(t, tag, r.key, nil)
	res := r.mustCompose(t)
	if _, err := os.Stat(filepath.Join(res.Link, "x86_64/Packages/picky-1-1.noarch.rpm")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(res.Link, "i386/Packages/picky-1-1.noarch.rpm")); err == nil {
		t.Error("a package that is for x86_64 only is in the tree of i386")
	}
}
