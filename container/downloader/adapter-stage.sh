#!/bin/sh
# adapter-stage.sh URI: downloads a LoRA adapter, then puts it in place of the one that is served, in one rename.
#
#   ADAPTER_PVC_ROOT  the disk of all adapters     SERVICE_ID    whose adapter it is
#   ADAPTER_PATH      the adapter's folder name    JOB_ID        names this download's staging folder
#
# Exit code: that of "aim fetch"; 1 for a symbolic link in what was downloaded or in the way; 2 for wrong usage.
set -eu
fail() { echo "adapter-stage: $2" >&2; exit "$1"; }

# One path component: neither empty, nor hidden, nor leading elsewhere.
component() {
  case $2 in
  "" | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) fail 2 "$1 is \"$2\"; it takes letters, digits, '.', '_' and '-', and begins with a letter or digit" ;;
  esac
}
no_link() { [ ! -L "$1" ] || fail 1 "$1 is a symbolic link, and nothing is written through it; remove it"; }

[ $# -eq 1 ] || fail 2 "usage: adapter-stage.sh URI"
root=${ADAPTER_PVC_ROOT:-/adapter-disk}
component SERVICE_ID "${SERVICE_ID:-}"
component ADAPTER_PATH "${ADAPTER_PATH:-}"
component JOB_ID "${JOB_ID:-}"
[ -d "$root" ] || fail 1 "$root does not exist; mount the adapter disk there"

live=$root/$SERVICE_ID/$ADAPTER_PATH
staging=$root/.staging/$SERVICE_ID/$ADAPTER_PATH.$JOB_ID
aside=$root/.aside/$SERVICE_ID/$ADAPTER_PATH.$JOB_ID
for folder in "$root/.staging" "$root/.aside" "$root/$SERVICE_ID" "$root/.staging/$SERVICE_ID" "$root/.aside/$SERVICE_ID" \
  "$staging" "$aside" "$live"; do
  no_link "$folder"
done
mkdir -p "$root/.staging/$SERVICE_ID" "$root/.aside/$SERVICE_ID" "$root/$SERVICE_ID"
trap 'rm -rf "$staging"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -n "${AIM_DEBUG_SIMULATE_PROMOTE:-}" ]; then
  mkdir -p "$staging"
  printf '{"base_model_name_or_path": "%s", "r": %d}\n' "${ADAPTER_BASE_MODEL_ID:-}" "${ADAPTER_RANK:-8}" \
    >"$staging/adapter_config.json"
  head -c 8192 /dev/zero >"$staging/adapter_model.safetensors"
else
  # In the background, so that a signal is passed on.
  aim fetch "$1" "$staging" &
  fetch=$!
  trap 'kill -TERM "$fetch" 2>/dev/null; wait "$fetch" || true; exit 143' TERM
  trap 'kill -INT "$fetch" 2>/dev/null; wait "$fetch" || true; exit 130' INT
  code=0
  wait "$fetch" || code=$?
  [ "$code" -eq 0 ] || exit "$code"
  trap 'exit 130' INT
  trap 'exit 143' TERM
fi

link=$(find "$staging" -type l | head -n 1)
[ -z "$link" ] || fail 1 "the adapter has a symbolic link, which is refused: ${link#"$staging/"}"
[ -f "$staging/adapter_config.json" ] || fail 1 "$1 is no adapter: it has no adapter_config.json"
chmod -R u+rwX,go+rX "$staging"

# The engine reads either the old folder or the new one. Where this is cut short in between, the next run puts the new one there.
rm -rf "$aside"
[ ! -e "$live" ] || mv -T "$live" "$aside"
mv -T "$staging" "$live"
sync "$root/$SERVICE_ID"
rm -rf "$aside"
echo "adapter-stage: $ADAPTER_PATH of $SERVICE_ID is in place"
