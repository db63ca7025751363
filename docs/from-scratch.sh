#!/bin/bash
# From an empty hub to a place where packages can be built for EPEL 5 and for a chain of Fedora releases.
#
#   docs/from-scratch.sh KOJI [OTHER-HUB [OWNER]]
#
# KOJI is the client with its options: "privyseal -c admin.conf", or "koji -c admin.conf", for they take the same commands.
# OTHER-HUB (https://koji.example.com/kojihub) is where the lists of packages that every build root needs are copied from.
# OWNER is who owns the packages. docs/terms.md explains the words. FIRST and LAST (27, 28) are the Fedora releases that are
# added; MIRROR is where packages of others come from.
set -eu

koji=$1
other=${2:-https://koji.fedoraproject.org/kojihub}
owner=${3:-$(whoami)}
first=${FIRST:-27} last=${LAST:-28}
mirror=${MIRROR:-http://mirror.example.com}

# ---- One release by itself: EPEL 5 ----

# The tag that says which packages there are, and whose.
$koji add-tag epel5
$koji add-pkg --owner "$owner" epel5 lcmaps jobrepository ees glexec lcas lcas-plugins-basic lcas-plugins-voms \
	lcmaps-plugins-afs lcmaps-plugins-basic lcmaps-plugins-voms scas xacml torque llrun mkgltempdir mwsec-release

# Builds arrive in the first of these and are moved on by hand. Each is published, or not, as it is.
$koji add-tag --parent epel5 epel5-candidates
$koji add-tag --parent epel5 epel5-testing
$koji add-tag --parent epel5 epel5-release

# What a build root is made of.
$koji add-tag --parent epel5 --arches "i386 x86_64" epel5-build

# The packages that are in every build root: srpm-build while the source package is made, build while it is built. Another
# hub knows them. fedpkg would bring mock along, and mock's group has another number than the one outside of the root.
$koji add-group epel5-build build
$koji add-group epel5-build srpm-build
# shellcheck disable=SC2046 # a word each
$koji add-group-pkg epel5-build build \
	$($koji -s "$other" list-groups dist-5E-epel-build build | tail -n +2 | cut -d: -f1)
# shellcheck disable=SC2046
$koji add-group-pkg epel5-build srpm-build \
	$($koji -s "$other" list-groups dist-5E-epel-build srpm-build | tail -n +2 | cut -d: -f1 | grep -v fedpkg)

# Packages of others. The macros have to come before CentOS, whose own make %{dist} "el5.centos": a smaller number comes first.
# $arch is for the hub to fill in, not for the shell.
$koji add-external-repo -t epel5-build -p 5 dist-epel5-external-repo "$mirror/fedora-epel/5/\$arch/"
$koji add-external-repo -t epel5-build -p 10 dist-epel5-buildsys-macros-repo "$mirror/buildgroups/rhel5/\$arch/"
$koji add-external-repo -t epel5-build -p 15 dist-epel5-centos5-repo "$mirror/centos/5/os/\$arch/"

# Where builds are made, and where they go.
$koji add-target epel5 epel5-build epel5-candidates

# ---- Releases that follow one another: Fedora ----

# Before the first one stand a tag with the packages, and one with the groups, which hardly change from one release to the next.
base=$((first - 1))
$koji add-tag "f$base"
$koji add-pkg --owner "$owner" "f$base" lcmaps lcas scas
$koji add-tag "f$base-basedeps"
for group in build srpm-build; do
	$koji add-group "f$base-basedeps" "$group"
	# shellcheck disable=SC2046
	$koji add-group-pkg "f$base-basedeps" "$group" \
		$($koji -s "$other" list-groups dist-5E-epel-build "$group" | tail -n +2 | cut -d: -f1 | grep -v fedpkg)
done

# fN-build tags do not inherit from each other: that would bring the repositories and the builds of every release before.
for ((i = first; i <= last; i++)); do
	prev=$((i - 1))
	$koji add-tag --parent "f$prev" "f$i"
	$koji add-tag --parent "f$prev-basedeps" "f$i-basedeps"
	# A new tag gets one parent: the last that is named.
	$koji add-tag --parent "f$i" --parent "f$i-basedeps" --arches "x86_64" "f$i-build"
	for j in candidates testing release; do
		$koji add-tag --parent "f$i" "f$i-$j"
	done
	$koji add-external-repo -t "f$i-build" "dist-f$i-base" "$mirror/fedora/linux/releases/$i/Everything/\$arch/os/"
	$koji add-external-repo -t "f$i-build" "dist-f$i-updates" "$mirror/fedora/linux/updates/$i/Everything/\$arch/"
	$koji add-target "f$i" "f$i-build" "f$i-candidates"
	# That parent has priority 0. Make room, and put the packages before the groups.
	$koji edit-tag-inheritance --priority 2 "f$i-build" "f$i-basedeps"
	$koji add-tag-inheritance --priority 1 "f$i-build" "f$i"
done
