#!/bin/sh
# Creates a Python virtual environment once and prints its directory, with bin/python3 and the packages' programs.
# Cached in $AIM_TEST_CACHE (default ~/.cache/aim-tests) under NAME and a digest of the pinned packages.
#
#   tests/interop/python_env.sh NAME PACKAGE==VERSION…
#
# Exits with 75 and a one-line message if the package registry is unreachable, and with 1 on any other error.
set -eu
name=$1
shift
key=$(printf '%s\n' "$@" "$(python3 -V)" | sha256sum | cut -c1-12)
cache=${AIM_TEST_CACHE:-${HOME:-/tmp}/.cache/aim-tests}
env=$cache/$name-$key
mkdir -p "$cache"
exec 9>"$env.lock"
flock 9
if [ ! -e "$env/complete" ]; then
  rm -rf "$env"
  python3 -m venv "$env" >&2
  if ! "$env/bin/python3" -m pip install -q --disable-pip-version-check --timeout 30 --retries 2 "$@" >"$env/pip.log" 2>&1; then
    tail -n 3 "$env/pip.log" >&2
    grep -qiE 'NewConnectionError|ReadTimeout|ConnectTimeout|Network is unreachable|name resolution|Connection refused|No route to host' \
      "$env/pip.log" && { echo "the Python package registry is unreachable" >&2; exit 75; }
    exit 1
  fi
  touch "$env/complete"
fi
echo "$env"
