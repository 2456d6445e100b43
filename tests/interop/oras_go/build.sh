#!/bin/sh
# Builds main.go once and prints the program's path. Go and ORAS's Go library are Debian packages, unpacked but
# not installed. The program is cached in $AIM_TEST_CACHE (default ~/.cache/aim-tests).
#
# Exits with 75 and a one-line message if the packages are unreachable.
set -eu
source=$(cd "$(dirname "$0")" && pwd)/main.go
cache=${AIM_TEST_CACHE:-${HOME:-/tmp}/.cache/aim-tests}
program=$cache/oras-go-$(cat "$source" "$0" | sha256sum | cut -c1-12)
mkdir -p "$cache"
exec 9>"$program.lock"
flock 9
if [ ! -e "$program" ]; then
  command -v apt-get dpkg-deb >/dev/null || { echo "no Debian packages on this system" >&2; exit 75; }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  chmod 0755 "$work"
  cd "$work"
  [ -n "$(apt-cache pkgnames golang-oras-oras-go-dev)" ] || [ "$(id -u)" != 0 ] || apt-get -qq update >&2 || true
  go=$(apt-cache depends golang-go | sed -n 's/^ *Depends: \(golang-[0-9.]*\)-go$/\1/p')
  packages="$go-go $go-src golang-oras-oras-go-dev"
  for name in \
    beorn7-perks cespare-xxhash containerd-containerd docker-distribution docker-docker docker-docker-credential-helpers \
    docker-go-connections docker-go-metrics docker-go-units gogo-protobuf golang-protobuf-1-5 gorilla-mux klauspost-compress \
    moby-locker moby-term morikuni-aec opencontainers-go-digest opencontainers-image-spec opencontainers-runc pkg-errors \
    prometheus-client-golang prometheus-client-model prometheus-common prometheus-procfs sirupsen-logrus; do
    packages="$packages golang-github-$name-dev"
  done
  packages="$packages golang-golang-x-net-dev golang-golang-x-sync-dev golang-golang-x-sys-dev golang-google-genproto-dev"
  packages="$packages golang-google-grpc-dev golang-google-protobuf-dev golang-protobuf-extensions-dev"
  # shellcheck disable=SC2086
  apt-get -qq download $packages >apt.log 2>&1 || { tail -n 3 apt.log >&2; echo "Debian's packages of ORAS are unreachable" >&2; exit 75; }
  for package in ./*.deb; do dpkg-deb -x "$package" root; done
  mkdir main
  cp "$source" main
  export GOROOT="$work/root/usr/lib/go-${go#golang-}" GOPATH="$work/root/usr/share/gocode"
  export GO111MODULE=off GOFLAGS= GOTOOLCHAIN=local GOCACHE="$work/cache" CGO_ENABLED=0
  (cd main && "$GOROOT/bin/go" build -o "$work/program" .) >&2
  mv "$work/program" "$program"
fi
echo "$program"
