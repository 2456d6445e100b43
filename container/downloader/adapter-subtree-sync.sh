#!/bin/sh
# adapter-subtree-sync.sh: creates a service's folder on the adapter disk and removes adapters that are no longer used.
#
#   ADAPTER_PVC_ROOT    the disk of all adapters      SERVICE_ID    the service that uses the adapters
#   KEEP_ADAPTER_PATHS  comma-separated folder names to keep; empty: none
set -eu
fail() { echo "adapter-subtree-sync: $2" >&2; exit "$1"; }

root=${ADAPTER_PVC_ROOT:-/adapter-disk}
case ${SERVICE_ID:-} in
"" | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) fail 2 "SERVICE_ID is \"${SERVICE_ID:-}\"; use letters, digits, '.', '_' and '-', starting with a letter or digit" ;;
esac
[ -n "${KEEP_ADAPTER_PATHS+set}" ] || fail 2 "KEEP_ADAPTER_PATHS is not set; set it, empty to keep none"
[ -d "$root" ] || fail 1 "$root does not exist; mount the adapter disk there"
folder=$root/$SERVICE_ID
[ ! -L "$folder" ] || fail 1 "refusing to remove files through the symbolic link $folder; remove it"
mkdir -p "$folder"
for entry in "$folder"/* "$folder"/.[!.]*; do
  [ -e "$entry" ] || [ -L "$entry" ] || continue
  name=${entry##*/}
  case ",$KEEP_ADAPTER_PATHS," in
  *",$name,"*) continue ;;
  esac
  # Keep plain files. Remove a symbolic link itself, never its target.
  { [ -d "$entry" ] || [ -L "$entry" ]; } || continue
  [ "$name" != lost+found ] || continue
  rm -rf "$entry"
  echo "adapter-subtree-sync: removed $name of $SERVICE_ID"
done
