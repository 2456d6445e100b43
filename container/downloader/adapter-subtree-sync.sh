#!/bin/sh
# adapter-subtree-sync.sh: makes a service's folder on the adapter disk, and removes the adapters in it that are no longer wanted.
#
#   ADAPTER_PVC_ROOT    the disk of all adapters      SERVICE_ID    whose adapters they are
#   KEEP_ADAPTER_PATHS  folder names to keep, separated by commas; empty: none
set -eu
fail() { echo "adapter-subtree-sync: $2" >&2; exit "$1"; }

root=${ADAPTER_PVC_ROOT:-/adapter-disk}
case ${SERVICE_ID:-} in
"" | [!A-Za-z0-9]* | *[!A-Za-z0-9._-]*) fail 2 "SERVICE_ID is \"${SERVICE_ID:-}\"; it takes letters, digits, '.', '_' and '-'" ;;
esac
[ -n "${KEEP_ADAPTER_PATHS+set}" ] || fail 2 "KEEP_ADAPTER_PATHS is not set; set it, empty to keep none"
[ -d "$root" ] || fail 1 "$root does not exist; mount the adapter disk there"
folder=$root/$SERVICE_ID
[ ! -L "$folder" ] || fail 1 "$folder is a symbolic link, and nothing is removed through it; remove it"
mkdir -p "$folder"
for entry in "$folder"/* "$folder"/.[!.]*; do
  [ -e "$entry" ] || [ -L "$entry" ] || continue
  name=${entry##*/}
  case ",$KEEP_ADAPTER_PATHS," in
  *",$name,"*) continue ;;
  esac
  # Files that somebody else put there stay; a link is removed itself, never what it leads to.
  { [ -d "$entry" ] || [ -L "$entry" ]; } || continue
  [ "$name" != lost+found ] || continue
  rm -rf "$entry"
  echo "adapter-subtree-sync: removed $name of $SERVICE_ID"
done
