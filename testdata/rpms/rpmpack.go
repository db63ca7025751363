//go:build ignore

// This program writes packed-1.0-1.noarch.rpm with google/rpmpack, which
// leaves no reserved space in the signature header and writes no MD5.
package main

import (
	"log"
	"os"
	"time"

	"github.com/google/rpmpack"
)

func main() {
	r, err := rpmpack.NewRPM(rpmpack.RPMMetaData{
		Name: "packed", Version: "1.0", Release: "1", Arch: "noarch", Epoch: rpmpack.NoEpoch,
		Summary: "Made without rpmbuild", Description: "Made without rpmbuild.", Licence: "Apache-2.0",
		BuildHost: "builder.example.org", BuildTime: time.Unix(1781500000, 0), Compressor: "zstd",
	})
	if err != nil {
		log.Fatal(err)
	}
	r.AddFile(rpmpack.RPMFile{Name: "/usr/share/packed", Mode: 0o40755, Owner: "root", Group: "root", MTime: 1781500000})
	r.AddFile(rpmpack.RPMFile{Name: "/usr/share/packed/file", Mode: 0o644, Body: []byte("packed\n"), Owner: "root", Group: "root", MTime: 1781500000})
	f, err := os.Create(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	if err := r.Write(f); err != nil {
		log.Fatal(err)
	}
	if err := f.Close(); err != nil {
		log.Fatal(err)
	}
}
