#!/bin/sh
# Fetches Python's huggingface_hub and what it needs from Debian's unstable distribution into DIR, installing nothing, and prints the
# directory for AIM_TEST_PYTHON_HUB. Needs apt with a Debian mirror.
#
#   AIM_TEST_PYTHON_HUB=$(tests/interop/get_python_hub.sh DIR) deno task test
set -eu
dir=$1
mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/debs"
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$')
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$dir/sources.list"
apt() {
  apt-get -qq -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$dir/lists" -o Dir::Cache="$dir/cache" -o APT::Sandbox::User=root "$@" >&2
}
apt update
cd "$dir/debs"
for package in huggingface-hub annotated-doc anyio certifi click filelock fsspec h11 httpcore httpx idna markdown-it mdurl packaging \
  pygments rich shellingham sniffio tqdm typer typing-extensions; do
  apt download "python3-$package"
done
for deb in *.deb; do dpkg-deb -x "$deb" "$dir/root"; done
echo "$dir/root/usr/lib/python3/dist-packages"
