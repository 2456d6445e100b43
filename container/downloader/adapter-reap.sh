#!/bin/sh
# adapter-reap.sh: removes folders of deleted services and leftovers of interrupted downloads from the adapter disk.
#
#   ADAPTER_PVC_ROOT  the disk of all adapters
#   KEEP_SERVICE_IDS  comma-separated services to keep; empty: none
#   MIN_AGE_SECONDS   keep entries of .staging and .aside that are younger (default 0)
set -eu
fail() { echo "adapter-reap: $2" >&2; exit "$1"; }

root=${ADAPTER_PVC_ROOT:-/adapter-disk}
age=${MIN_AGE_SECONDS:-0}
case $age in "" | *[!0-9]*) fail 2 "MIN_AGE_SECONDS is \"$age\"; use a number of seconds" ;; esac
[ -n "${KEEP_SERVICE_IDS+set}" ] || fail 2 "KEEP_SERVICE_IDS is not set; set it, empty to keep none"
[ -d "$root" ] || fail 1 "$root does not exist; mount the adapter disk there"

now=$(date +%s)
for entry in "$root"/*; do
  { [ -d "$entry" ] || [ -L "$entry" ]; } || continue
  name=${entry##*/}
  [ "$name" != lost+found ] || continue
  case ",$KEEP_SERVICE_IDS," in
  *",$name,"*) continue ;;
  esac
  rm -rf "$entry"
  echo "adapter-reap: removed service $name"
done
for area in "$root/.staging" "$root/.aside"; do
  [ ! -L "$area" ] && [ -d "$area" ] || continue
  for service in "$area"/*; do
    if [ -L "$service" ] || [ ! -d "$service" ]; then
      rm -f "$service"
      continue
    fi
    for entry in "$service"/*; do
      { [ -e "$entry" ] || [ -L "$entry" ]; } || continue
      changed=$(stat -c %Y "$entry") || continue
      [ $((now - changed)) -ge "$age" ] || continue
      rm -rf "$entry"
      echo "adapter-reap: removed ${entry#"$root/"}"
    done
    rmdir "$service" 2>/dev/null || true
  done
done
