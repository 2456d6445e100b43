#!/bin/sh
# install.sh EXECUTABLE DIR: installs aim into an image as DIR/aim: unpacked, owned by root, read-only, usable by
# every user. The executable must match SHA256SUMS next to it, and the installed program must pass its self-test,
# which also fills the code caches used at start-up.
set -eu
executable=$1 dir=$2

cd "$(dirname "$executable")"
name=$(basename "$executable")
sum=$(grep -E "^[0-9a-f]{64}  $name\$" SHA256SUMS) || { echo "SHA256SUMS has no line for $name" >&2; exit 8; }
printf '%s\n' "$sum" | sha256sum --check --strict || { echo "$name is not the executable that SHA256SUMS describes" >&2; exit 8; }

if [ "$(head -c 2 "$name")" = '#!' ]; then
  sh "./$name" __unpack "$dir"
else
  install -D -m 0555 "$name" "$dir/aim"
fi
"$dir/aim" __self-test
# The second start adds statistics to the cache databases, which must exist before they become read-only.
"$dir/aim" --version
chmod -R a+rX,a-w "$dir"
