# Execs the program in $_aim_dir with the same PID and arguments. Sourced by the executable or by the launcher in
# an image.

# Variables for Deno or Node.js must not change how aim runs: they are renamed here, and aim restores them for
# the engine.
case $(export -p) in
*" DENO_"* | *" NODE_"* | *" OTEL_"*)
  _aim_ifs=$IFS
  IFS='
'
  set -f
  for _aim_name in $(export -p); do
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
  ;;
esac
# Deno does not start in a deleted directory.
[ . -ef "$PWD" ] || case $(pwd -P 2>/dev/null) in /*) ;; *) cd / ;; esac
# Deno raises its limit on open files; aim restores the original limit for the engine.
export _AIM_LAUNCHED="$(ulimit -Sn)" DENO_DIR="$_aim_dir/cache" DENO_NO_UPDATE_CHECK=1 DENO_DISABLE_NODE_SHIM=1
exec "$_aim_dir/deno" run @DENO_FLAGS@ @PERMISSIONS@ "$_aim_dir/main.js" "$@"
