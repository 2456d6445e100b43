#!/bin/sh
# adapter-stage.sh URI: downloads a LoRA adapter to a staging folder, then replaces the served one by a rename.
#
#   ADAPTER_PVC_ROOT  the disk of all adapters     SERVICE_ID    the service that uses the adapter
#   ADAPTER_PATH      the adapter's folder name    JOB_ID        names this download's staging folder
#
# Exit codes: those of "aim fetch"; 1 if the download contains a symbolic link or the target path is one; 2 for wrong usage.
set -eu
fail() { echo "adapter-stage: $2" >&2; exit "$1"; }

# Accepts one path component that is not empty, hidden, or an escape from the folder.
component() {
  case $2 in
  "" | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) fail 2 "$1 is \"$2\"; use letters, digits, '.', '_' and '-', starting with a letter or digit" ;;
  esac
}
no_link() { [ ! -L "$1" ] || fail 1 "refusing to write through the symbolic link $1; remove it"; }

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
  # In the background, so that signals can be forwarded.
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
[ -z "$link" ] || fail 1 "the adapter contains a symbolic link, which is not allowed: ${link#"$staging/"}"
[ -f "$staging/adapter_config.json" ] || fail 1 "$1 is not an adapter: adapter_config.json is missing"
chmod -R u+rwX,go+rX "$staging"

# The engine reads the old folder or the new one, never a mix. If interrupted in between, the next run installs the new one.
rm -rf "$aside"
[ ! -e "$live" ] || mv -T "$live" "$aside"
mv -T "$staging" "$live"
sync "$root/$SERVICE_ID"
rm -rf "$aside"
echo "adapter-stage: $ADAPTER_PATH of $SERVICE_ID is in place"
