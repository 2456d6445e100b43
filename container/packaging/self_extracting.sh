#!/bin/sh
# aim @VERSION@, self-extracting: this script, the files to unpack, and as the last @DIGEST_SIZE@ bytes a BLAKE2b
# digest of both. Needs only sh and coreutils. It unpacks once, into
# ${AIM_RUNTIME_DIR:-${TMPDIR:-/tmp}}/aim-<uid>-@KEY@, and execs the program there with the same PID and
# arguments. "aim __unpack DIR" unpacks for an image: readable by every user, with a launcher DIR/aim.

_aim_fail() {
  echo "aim: error: $2" >&2
  exit "$1"
}

# Verifies the executable's size and digest.
_aim_check() {
  [ "$(command -p wc -c <"$_aim_self")" -eq @TOTAL@ ] &&
    [ "$(command -p head -c -@DIGEST_SIZE@ "$_aim_self" | command -p b2sum)" = "$(command -p tail -c @DIGEST_SIZE@ "$_aim_self")  -" ] ||
    _aim_fail 8 "$_aim_self is damaged (digest mismatch); fetch it again"
}

# Writes all files below a new directory.
_aim_write() {
  export LC_ALL=C
  for _aim_folder in @FOLDERS@; do
    command -p mkdir -p -- "$1/$_aim_folder" || return
  done
  while read -r _aim_at _aim_size _aim_path; do
    command -p dd if="$_aim_self" of="$1/$_aim_path" bs=1048576 iflag=skip_bytes,count_bytes,fullblock \
      skip="$_aim_at" count="$_aim_size" status=none || return
  done <<'FILES'
@FILES@
FILES
  command -p chmod u+x -- "$1/deno"
}

# Fails with the last error of writing to a directory, after removing it.
_aim_no_room() {
  command -p rm -rf -- "$_aim_new"
  _aim_fail 7 "cannot unpack @NEEDED@ MB into $1: ${_aim_said##*: }; free space there, or set AIM_RUNTIME_DIR to another directory"
}

# Sets _aim_namespace to the number of the PID namespace.
_aim_name_namespace() {
  _aim_namespace=$(command -p readlink /proc/self/ns/pid)
  _aim_namespace=${_aim_namespace%]}
  _aim_namespace=${_aim_namespace##*[!0-9]}
}

# Unpacks into $1 atomically.
_aim_unpack() {
  _aim_check
  _aim_name_namespace
  _aim_mask=$(umask)
  umask 077
  _aim_new=$(command -p mktemp -d "$1.new.$_aim_namespace.$$.XXXXXX" 2>/dev/null) ||
    _aim_fail 7 "cannot write to ${1%/*}, where the program unpacks; set AIM_RUNTIME_DIR to a writable directory"
  trap 'command -p rm -rf -- "$_aim_new"; exit 129' HUP
  trap 'command -p rm -rf -- "$_aim_new"; exit 130' INT
  trap 'command -p rm -rf -- "$_aim_new"; exit 143' TERM
  _aim_said=$(_aim_write "$_aim_new" 2>&1) || _aim_no_room "${1%/*}"
  command -p env -i "$_aim_new/deno" --version >/dev/null 2>&1
  _aim_code=$?
  if [ $_aim_code -ne 0 ]; then
    command -p rm -rf -- "$_aim_new"
    case $_aim_code in
    126) _aim_fail 1 "cannot run programs in ${1%/*} (mounted noexec); set AIM_RUNTIME_DIR to another directory" ;;
    127) _aim_fail 1 "Deno's runtime needs glibc for @ARCH@, which this system does not have" ;;
    esac
    _aim_fail 1 "Deno's runtime does not start (exit code $_aim_code)"
  fi
  # If another process was faster, use its directory, and repair it if files are missing.
  command -p mv -T -- "$_aim_new" "$1" 2>/dev/null || {
    _aim_is_whole "$1" || _aim_mend "$_aim_new" "$1"
    command -p rm -rf -- "$_aim_new"
  }
  trap - HUP INT TERM
  umask "$_aim_mask"
}

# Replaces file by file, because other processes may be starting from there: every path always exists.
_aim_mend() {
  for _aim_path in @NAMES@; do
    [ ! -d "$2/$_aim_path" ] || command -p rm -rf -- "$2/$_aim_path"
    case $_aim_path in */*) command -p mkdir -p -- "$2/${_aim_path%/*}" ;; esac
    command -p mv -fT -- "$1/$_aim_path" "$2/$_aim_path"
  done 2>/dev/null
}

# True if $1 is a directory owned by this user, not a symbolic link.
_aim_is_ours() {
  [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ]
}

# Sets _aim_seen to size and mode of each file in $1, then of $1 itself. True if $1 is ours and closed to other
# users. The setgid bit is accepted: it is inherited in a volume with Kubernetes' fsGroup.
_aim_look() {
  _aim_seen=
  _aim_is_ours "$1" || return
  _aim_seen=$(cd "$1" && LC_ALL=C command -p stat -c '%s %f' -- @NAMES@ . 2>/dev/null)
  case $_aim_seen in *" 41c0" | *" 45c0") ;; *) return 1 ;; esac
}

# True if every file has its size and mode. A cleaner of temporary directories may have deleted some, and a full
# disk may have truncated some.
_aim_is_whole() {
  _aim_look "$1" && [ "${_aim_seen%
*}" = "@STATS@" ]
}

# Removes leftovers of this user's killed unpackings: the process no longer exists, or nothing was added for ten
# minutes.
_aim_sweep() {
  for _aim_old in "$1"*.new.*; do
    _aim_is_ours "$_aim_old" || continue
    _aim_name_namespace
    _aim_process=${_aim_old##*.new.}
    _aim_age=$(($(command -p date +%s) - $(command -p stat -c %Y -- "$_aim_old")))
    if [ "${_aim_process%%.*}" = "$_aim_namespace" ]; then
      _aim_process=${_aim_process#*.}
      [ -e "/proc/${_aim_process%%.*}" ] || _aim_age=601
    fi
    [ "$_aim_age" -le 600 ] || command -p rm -rf -- "$_aim_old"
  done 2>/dev/null
}

# Sets _aim_dir to the first of a few names that is ours or free.
_aim_find() {
  _aim_base=${AIM_RUNTIME_DIR:-${TMPDIR:-/tmp}}
  case $_aim_base in /*) ;; *) _aim_base=$PWD/$_aim_base ;; esac
  _aim_uid=
  # The real, then the effective user. Read from /proc, because starting id takes a millisecond.
  while read -r _aim_field _aim_uid _aim_uid _aim_rest && [ "$_aim_field" != Uid: ]; do :; done \
    2>/dev/null </proc/self/status
  _aim_base=$_aim_base/aim-${_aim_uid:-$(command -p id -u)}
  _aim_sweep "$_aim_base-"
  _aim_base=$_aim_base-@KEY@
  for _aim_dir in "$_aim_base" "$_aim_base.1" "$_aim_base.2" "$_aim_base.3"; do
    for _aim_try in 1 2 3; do
      ! _aim_is_whole "$_aim_dir" || return 0
      if [ -e "$_aim_dir" ] || [ -L "$_aim_dir" ]; then _aim_look "$_aim_dir" || break; fi
      _aim_unpack "$_aim_dir"
    done
  done
  _aim_fail 1 "$_aim_base and the names after it belong to another user; set AIM_RUNTIME_DIR to your own directory"
}

# Unpacks for an image: readable by every user, writable by none, started by DIR/aim.
_aim_unpack_for_image() {
  case ${1-} in
  *[!A-Za-z0-9/._-]* | "") _aim_fail 2 "__unpack needs the absolute path of a directory to create" ;;
  /*) ;;
  *) _aim_fail 2 "__unpack needs an absolute path, not $1" ;;
  esac
  _aim_check
  umask 022
  _aim_new=$1
  command -p mkdir -p -- "${1%/*}" && command -p mkdir -- "$1" || _aim_fail 7 "cannot create the directory $1"
  _aim_said=$(_aim_write "$1" 2>&1) || _aim_no_room "$1"
  printf '#!/bin/sh\n_aim_dir=%s\n. "$_aim_dir/launch.sh"\n' "$1" >"$1/aim"
  command -p chmod -R a-w -- "$1" && command -p chmod a+x -- "$1/aim" "$1/deno" || _aim_fail 7 "cannot set file modes in $1"
}

_aim_self=$0
[ -r "$_aim_self" ] || _aim_fail 1 "cannot read $_aim_self, which contains the program; make it readable"
if [ "${1-}" = __unpack ]; then
  _aim_unpack_for_image "${2-}"
  exit 0
fi
_aim_find
. "$_aim_dir/launch.sh"
exit 1
