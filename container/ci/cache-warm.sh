#!/bin/sh
# Downloads a model into a cache directory, in any CI. A second run downloads nothing.
#
#   cache-warm.sh --model hf://org/model [--revision REV] [--layout local|hf] [--path DIR]
#
# Prints path=, cache-key= and bytes-moved=, and appends them to $GITHUB_OUTPUT where that is set. With
# --key-prefix it prints only what every cache key of this model begins with, and asks nobody anything. AIM
# names the program (default: aim); HF_TOKEN and AWS_* are aim's. Its exit codes are aim's.
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
    *) fail "unknown option $1; see the top of $0" ;;
  esac
  case $1 in
    --model) model=$2 ;;
    --revision) revision=$2 ;;
    --layout) layout=$2 ;;
    --path) path=$2 ;;
  esac
  shift 2
done
[ -n "$model" ] || fail 'give --model, as hf://org/model or s3://bucket/prefix'
[ -n "$path" ] || fail '--path is empty'
case $layout in
  local) set -- ;;
  hf) set -- --use-hf-cache ;;
  *) fail "--layout is \"$layout\"; use local or hf" ;;
esac

# Letters that every CI takes in a key. The revision is not in it: the commit comes last, and another commit's
# files are worth having.
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

# One line of JSON, without nesting.
field() { printf '%s\n' "$result" | sed -n "s/.*\"$1\":\"\\{0,1\\}\\([^\",}]*\\).*/\\1/p"; }
place=$(field path)
commit=$(field commit)
[ -d "$place" ] || fail "aim says that the model is at \"$place\", which is no directory"
# S3 knows no commits: what stands for one are the files' digests.
[ "$commit" != null ] || commit=$(grep -v '"finishedAt"' "$place/.aim/manifest.json" | sha256sum | cut -c 1-40)

printf '%s\n' "path=$place" "cache-key=$prefix$commit" "bytes-moved=$(field bytesMoved)" | tee -a "${GITHUB_OUTPUT:-/dev/null}"
