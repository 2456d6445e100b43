#!/bin/sh
# aim @VERSION@, self-extracting: this script, then Deno's runtime and the program. sh and coreutils are all it needs. It unpacks once
# into ${AIM_RUNTIME_DIR:-${TMPDIR:-/tmp}}/aim-<uid>-@KEY@ and becomes the program: same PID, same words.

_aim_newline='
'

_aim_fail() {
  echo "aim: error: $2" >&2
  exit "$1"
}

# Sets _aim_seen: size, type and mode of each file in a place of ours; nothing where it is not ours, which is a real directory of our own
# that nobody else can look into. Below a directory with the group bit set, as Kubernetes' fsGroup makes it, that bit is inherited.
# Whatever cleans temporary directories may have taken some of it away, and a full disk may have cut it short.
# What is exported stands before it: a subshell of its own would take half of a millisecond. The last of those lines begins with a word
# or ends in a quotation mark, as none of stat's does: from the end, it is stat's lines alone that count.
_aim_look() {
  _aim_seen=
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ] || return 0
  _aim_seen=$(echo / && export -p && cd "$1" && LC_ALL=C command -p stat -c '%s %f' -- @FILES@ . 2>/dev/null)
  case $_aim_seen in
  *" 4"[15]"c0") _aim_seen=${_aim_seen%"$_aim_newline"*} ;;
  *) _aim_seen= ;;
  esac
}

# Bytes of this file: from an offset, so many, into a new file.
_aim_copy() {
  command -p dd if="$_aim_self" of="$3" bs=1048576 iflag=skip_bytes,count_bytes,fullblock skip="$1" count="$2"
}

# What is unpacked under another name appears as a whole or not at all.
_aim_unpack() {
  [ "$(command -p wc -c <"$_aim_self")" -eq @TOTAL@ ] ||
    _aim_fail 8 "$_aim_self is damaged: it is not the @TOTAL@ bytes it was made with; fetch it again"
  _aim_mask=$(umask)
  umask 077
  _aim_new=$(command -p mktemp -d "$1.XXXXXXXX" 2>/dev/null) ||
    _aim_fail 7 "cannot write to ${1%/*}, where the program unpacks; name a writable directory with AIM_RUNTIME_DIR"
  trap 'command -p rm -rf -- "$_aim_new"; exit 129' HUP
  trap 'command -p rm -rf -- "$_aim_new"; exit 130' INT
  trap 'command -p rm -rf -- "$_aim_new"; exit 143' TERM
  if ! {
    _aim_copy @UNPACK_AT@ @UNPACK_SIZE@ "$_aim_new/unpack.js" &&
      _aim_copy @ARCHIVE_AT@ @ARCHIVE_SIZE@ "$_aim_new/archive" &&
      _aim_copy @DENO_AT@ @DENO_SIZE@ "$_aim_new/deno" &&
      [ "$(command -p wc -c <"$_aim_new/deno")" -eq @DENO_SIZE@ ] &&
      command -p chmod 700 "$_aim_new/deno"
  } 2>/dev/null; then
    command -p rm -rf -- "$_aim_new"
    _aim_fail 7 "cannot unpack @NEEDED@ MB into ${1%/*}: no space; name a directory with more by AIM_RUNTIME_DIR"
  fi
  # Deno has no use for a cache of this.
  _aim_said=$(
    _aim_set_aside "$(export -p)"
    DENO_DIR=/dev/null/none "$_aim_new/deno" run @DENO_FLAGS@ --allow-read --allow-write \
      "$_aim_new/unpack.js" "$_aim_new" </dev/null 2>&1
  )
  _aim_code=$?
  if [ $_aim_code -ne 0 ]; then
    command -p rm -rf -- "$_aim_new"
    case $_aim_code in
    126) _aim_fail 1 "${1%/*} may not hold programs (mounted noexec); name another directory with AIM_RUNTIME_DIR" ;;
    127) _aim_fail 1 "Deno's runtime needs glibc for @ARCH@, which this system does not have" ;;
    esac
    case $_aim_said in
    *"os error 28"* | *"os error 122"*)
      _aim_fail 7 "cannot unpack @NEEDED@ MB into ${1%/*}: no space; name a directory with more by AIM_RUNTIME_DIR"
      ;;
    esac
    _aim_fail 1 "cannot unpack into ${1%/*} (exit code $_aim_code): $(echo "$_aim_said" | command -p tr '\n' ' ')"
  fi
  command -p rm -f -- "$_aim_new/unpack.js" "$_aim_new/archive"
  # Who loses the race uses what the winner put there, unless something of it is missing.
  if ! command -p mv -T -- "$_aim_new" "$1" 2>/dev/null; then
    _aim_look "$1"
    case $_aim_seen in
    "" | *"$_aim_newline"'@STATS@') ;;
    *) _aim_mend "$_aim_new" "$1" ;;
    esac
    command -p rm -rf -- "$_aim_new"
  fi
  trap - HUP INT TERM
  umask "$_aim_mask"
}

# File by file, since others may be starting from there: at every moment each is there, old or new.
_aim_mend() {
  for _aim_file in @FILES@; do
    [ -d "$2/${_aim_file%/*}" ] || [ "$_aim_file" = "${_aim_file%/*}" ] || command -p mkdir -p -- "$2/${_aim_file%/*}"
    [ ! -d "$2/$_aim_file" ] || command -p rm -rf -- "$2/$_aim_file"
    command -p mv -fT -- "$1/$_aim_file" "$2/$_aim_file"
  done 2>/dev/null
}

# Sets _aim_dir: the first of a few names that is ours or free.
_aim_find() {
  # Another program's start would be a tenth of ours.
  while read -r _aim_key _ _aim_uid _; do
    [ "$_aim_key" != Uid: ] || break
  done 2>/dev/null </proc/self/status
  case $_aim_uid in
  "" | *[!0-9]*) _aim_uid=$(command -p id -u) ;;
  esac
  _aim_base=${AIM_RUNTIME_DIR:-${TMPDIR:-/tmp}}
  case $_aim_base in
  /*) ;;
  *) _aim_base=$PWD/$_aim_base ;;
  esac
  _aim_base=$_aim_base/aim-$_aim_uid-@KEY@
  for _aim_dir in "$_aim_base" "$_aim_base.1" "$_aim_base.2" "$_aim_base.3"; do
    for _aim_try in 1 2 3; do
      _aim_look "$_aim_dir"
      case $_aim_seen in
      *"$_aim_newline"'@STATS@') return ;;
      "") if [ -e "$_aim_dir" ] || [ -L "$_aim_dir" ]; then continue 2; fi ;;
      esac
      _aim_unpack "$_aim_dir"
    done
  done
  _aim_fail 1 "$_aim_base and the names after it belong to someone else; name a directory of your own with AIM_RUNTIME_DIR"
}

# What is meant for Deno or Node.js must not change how aim runs; the program gets it back for the engine.
_aim_set_aside() {
  case $1 in
  *" DENO_"* | *" NODE_"* | *" OTEL_"*) ;;
  *) return ;;
  esac
  _aim_ifs=$IFS
  IFS='
'
  set -f
  for _aim_name in $1; do
    _aim_name=${_aim_name#export }
    _aim_name=${_aim_name#declare -x }
    _aim_name=${_aim_name%%=*}
    case $_aim_name in
    *[!A-Za-z0-9_]* | NODE_EXTRA_CA_CERTS) ;;
    DENO_* | NODE_* | OTEL_*)
      eval "[ -n \"\${$_aim_name+x}\" ] && export \"_AIM_CALLERS_$_aim_name=\$$_aim_name\" && unset $_aim_name"
      ;;
    esac
  done
  set +f
  IFS=$_aim_ifs
}

_aim_main() {
  _aim_self=$0
  [ -r "$_aim_self" ] || _aim_fail 1 "cannot read $_aim_self, which holds the program; make it readable"
  # Deno refuses to start in a directory that was removed.
  [ . -ef "$PWD" ] || case $(pwd -P 2>/dev/null) in
  /*) ;;
  *) cd / ;;
  esac
  _aim_find
  _aim_set_aside "$_aim_seen"
  export _AIM_LAUNCHED=1 DENO_DIR="$_aim_dir/cache" DENO_NO_UPDATE_CHECK=1 DENO_DISABLE_NODE_SHIM=1
  exec "$_aim_dir/deno" run @DENO_FLAGS@ @PERMISSIONS@ "$_aim_dir/main.js" "$@"
  _aim_fail 1 "cannot run $_aim_dir/deno"
}

_aim_main "$@"
exit 1
