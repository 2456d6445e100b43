#!/bin/sh
# Downloads a model into a cache directory, in any CI. A second run downloads nothing.
#
#   cache-warm.sh --model hf://org/model [--revision REV] [--layout local|hf] [--path DIR]
#
# Prints path=, cache-key= and bytes-moved=, and appends them to $GITHUB_OUTPUT if set. With --key-prefix it only
# prints the common prefix of this model's cache keys, without network access. AIM is the program to run
# (default: aim); aim reads HF_TOKEN and AWS_*. Exits with aim's exit codes.
set -eu

fail() {
  echo "cache-warm: $1" >&2
  exit 2
}

model='' revision='' layout=local path=${AIM_CACHE_PATH:-$PWD/model-cache} only_prefix=no
while [ $# -gt 0 ]; do
  case $1 in
    --key-prefix) only_prefix=yes; shift; continue ;;
    --model | --revision | --layout | --path) [ $# -ge 2 ] || fail "$1 needs a value" ;;
    *) fail "unknown option $1; see the comment at the top of $0" ;;
  esac
  case $1 in
    --model) model=$2 ;;
    --revision) revision=$2 ;;
    --layout) layout=$2 ;;
    --path) path=$2 ;;
  esac
  shift 2
done
[ -n "$model" ] || fail 'give --model, such as hf://org/model or s3://bucket/prefix'
[ -n "$path" ] || fail '--path is empty'
case $layout in
  local) set -- ;;
  hf) set -- --use-hf-cache ;;
  *) fail "--layout is \"$layout\"; use local or hf" ;;
esac

# Only characters that every CI accepts in a key. The revision is not part of the prefix, so that the cache of
# another commit can be restored and updated.
prefix="aim-$layout-$(printf %s "${model#hf://}" | tr -c 'A-Za-z0-9._' -)-"
if [ "$only_prefix" = yes ]; then
  printf 'key-prefix=%s\n' "$prefix" | tee -a "${GITHUB_OUTPUT:-/dev/null}"
  exit 0
fi

case $path in /*) ;; *) path=$PWD/$path ;; esac
mkdir -p "$path"
export AIM_CACHE_PATH="$path" HF_HOME="$path"
unset HF_HUB_CACHE
[ -z "$revision" ] || set -- "$@" --revision "$revision"
result=$("${AIM:-aim}" download-to-cache --model-id "$model" --format json "$@")

# The result is one line of JSON without nesting.
field() { printf '%s\n' "$result" | sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^\",}]*\\).*/\\1/p"; }
place=$(field path)
commit=$(field commit)
[ -d "$place" ] || fail "aim reports the model at \"$place\", which is not a directory"
# S3 has no commits: use a digest of the manifest, which contains the files' digests, instead.
[ "$commit" != null ] || commit=$(grep -v '"finishedAt"' "$place/.aim/manifest.json" | sha256sum | cut -c 1-40)

printf '%s\n' "path=$place" "cache-key=$prefix$commit" "bytes-moved=$(field bytesMoved)" | tee -a "${GITHUB_OUTPUT:-/dev/null}"
