#!/bin/sh
# Makes the RPMs of this directory again. Needs rpmbuild, rpmsign, gpg and go.
# Usage: testdata/rpms/make.sh [OUTDIR]     (default: this directory)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
mkdir -p "$out"
out=$(cd "$out" && pwd)
# A fixed place: source packages record the path of their build root.
work=/tmp/privyseal-testdata-rpms
mkdir -m 700 "$work"
trap 'GNUPGHOME=$work/gnupg gpgconf --kill all; rm -rf "$work"' EXIT
GOCACHE=$(go env GOCACHE) GOMODCACHE=$(go env GOMODCACHE)
export GOCACHE GOMODCACHE
export HOME="$work" GNUPGHOME="$work/gnupg" SOURCE_DATE_EPOCH=1781500000 LC_ALL=C.UTF-8

cp -r "$here/specs" "$work/specs"
find "$work/specs" -type f -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

# build SPEC PAYLOAD [rpmbuild options]: what comes out goes to $work/new
build() {
	spec=$1 payload=$2
	shift 2
	rm -rf "$work/top" "$work/new"
	rpmbuild -ba --quiet --nodeps --define "_topdir $work/top" --define "_sourcedir $work/specs" \
		--define "_binary_payload $payload" --define "_source_payload $payload" \
		--define "_buildhost builder.example.org" --define "use_source_date_epoch_as_buildtime 1" \
		--define "clamp_mtime_to_source_date_epoch 1" --define "dist .el9" \
		"$@" "$work/specs/$spec.spec"
	mkdir "$work/new"
	find "$work/top/RPMS" "$work/top/SRPMS" -name '*.rpm' -exec mv {} "$work/new" \;
}

# sign KEY FILE [rpmsign options]
sign() {
	key=$1 file=$2
	shift 2
	rm -rf "$GNUPGHOME"
	mkdir -m 700 "$GNUPGHOME"
	gpg --batch --quiet --import "$here/../keys/$key.sec.asc"
	id=$(gpg --batch --with-colons --list-secret-keys | awk -F: '$1 == "fpr" { print $10; exit }')
	rpmsign --define "__gpg $(command -v gpg)" --define "_gpg_name $id" \
		--define "_gpg_sign_cmd_extra_args --batch --faked-system-time 20260615T120000!" \
		"$@" --addsign "$file" >/dev/null
	gpgconf --kill all
}

build shapes w6.gzdio
cp "$work"/new/*.rpm "$out"

build plain w9.gzdio
cp "$work"/new/plain-1.0-1.* "$out"
build plain w19.zstdio --define "ver 1.1"
cp "$work"/new/plain-1.1-1.* "$out"
build plain w7.xzdio --define "ver 2.0~beta2"
cp "$work"/new/plain-2.0~beta2-1.noarch.rpm "$out"
build plain w.ufdio --define "ver 2.0^post1"
cp "$work"/new/plain-2.0^post1-1.noarch.rpm "$out"

build tool w6.gzdio --target x86_64
cp "$work"/new/*.rpm "$out"
build tool w6.gzdio --target i686
cp "$work"/new/tool-1.2-3.i686.rpm "$work"/new/tool-debuginfo-1.2-3.i686.rpm "$out"

# Signed by keys that are not the project's, header only and with payload.
for rel in 2:other-eddsa: 3:rsa4096: 4:rsa-subkey: 5:other-eddsa:--rpmv3 6:rsa4096:--rpmv3; do
	n=${rel%%:*} rest=${rel#*:}
	build plain w6.gzdio --define "rel $n"
	# shellcheck disable=SC2086 # an empty option must vanish
	sign "${rest%%:*}" "$work/new/plain-1.0-$n.noarch.rpm" ${rest#*:}
	cp "$work/new/plain-1.0-$n.noarch.rpm" "$out"
done

# Packages of EL5 (MD5 of files, gzip) and of EL6 (SHA-256 of files, xz), unsigned
# and signed: for want of a payload digest rpmsign signs header and payload too.
for shape in el5:1:1:w9.gzdio el5:2:1:w9.gzdio el6:1:8:w2.xzdio; do
	n=${shape#*:} algo=${shape#*:*:}
	n=${n%%:*} algo=${algo%%:*}
	build old "${shape##*:}" --define "rel $n" --define "dist .${shape%%:*}" \
		--define "_binary_filedigest_algorithm $algo" --define "_source_filedigest_algorithm $algo"
	for file in "$work"/new/*.rpm; do
		(cd "$here" && go run old.go "$file" "$out/${file##*/}" "${shape%%:*}")
	done
done
rm "$out/old-1.0-2.el5.src.rpm"
sign rsa4096 "$out/old-1.0-2.el5.noarch.rpm"

(cd "$here" && go run rpmpack.go "$out/packed-1.0-1.noarch.rpm")
