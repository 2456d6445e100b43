#!/usr/bin/env bash
# A single-node Ceph S3 gateway on loopback, with objects in memory:
#   ceph.sh start DIR S3_PORT MONITOR_PORT     returns when it is ready, in about 15 s; keys AK and SK
#   ceph.sh stop DIR                           kills its processes and removes DIR
# Needs Debian's ceph-mon, ceph-osd, radosgw, ceph-common (apt-get install --no-install-recommends).
set -euo pipefail
verb=${1:?start or stop} dir=$(realpath -m "${2:?a directory}")

# The processes are daemons; their PIDs are in their PID files.
stop() {
  local file pid
  for file in "$dir"/*.pid; do
    [[ -f $file ]] || continue
    pid=$(<"$file")
    # Its data is not needed any more, so there is no orderly shutdown.
    kill -KILL "$pid" 2>/dev/null || true
    for _ in {1..50}; do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
  done
  rm -rf "$dir"
}
[[ $verb == stop ]] && { stop; exit 0; }

s3_port=${3:?a port} monitor="v2:127.0.0.1:${4:?another port}"
mkdir -p "$dir"/{mon,osd,rgw}
trap 'echo "--- logs"; tail -n 20 "$dir"/*.log >&2 || true; stop' ERR
fsid=$(</proc/sys/kernel/random/uuid) osd=$(</proc/sys/kernel/random/uuid)
{
  echo "[global]
fsid = $fsid
mon host = $monitor
public addr = 127.0.0.1
cluster addr = 127.0.0.1"
  # Without keys the messenger cannot encrypt, so every kind of connection uses only checksums.
  for side in cluster service client; do echo "auth $side required = none"; done
  for side in cluster service client mon_cluster mon_service mon_client; do echo "ms_${side}_mode = crc"; done
  # By default the monitor refuses to start on a disk with less than 5 % free, even a large one.
  echo "mon data avail crit = 0
mon data avail warn = 0
osd pool default size = 1
osd pool default min size = 1
osd pool default pg autoscale mode = off
osd pool default pg num = 8
mon allow pool size one = true
osd objectstore = memstore
memstore device bytes = 8589934592
osd crush chooseleaf type = 0
log file = $dir/\$name.log
admin socket = $dir/\$name.\$pid.asok
pid file = $dir/\$name.pid
run dir = $dir
mon data = $dir/mon
osd data = $dir/osd
rgw data = $dir/rgw
rgw frontends = beast endpoint=127.0.0.1:$s3_port"
} >"$dir/ceph.conf"
conf=(-c "$dir/ceph.conf")

# Waits up to a minute until a command succeeds.
await() {
  for _ in {1..300}; do "$@" >/dev/null 2>&1 && return; sleep 0.2; done
  echo "gave up waiting for: $*" >&2
  return 1
}
osd_up() { ceph "${conf[@]}" --connect-timeout 10 osd stat | grep -q '1 up'; }
listening() { (: <"/dev/tcp/127.0.0.1/$s3_port"); }

monmaptool --create --fsid "$fsid" --addv a "[$monitor]" "$dir/monmap" >/dev/null
ceph-mon "${conf[@]}" --mkfs -i a --monmap "$dir/monmap"
ceph-mon "${conf[@]}" -i a
# The store must have the id that the monitor knows, or it never starts.
ceph "${conf[@]}" --connect-timeout 30 osd new "$osd" >/dev/null
ceph-osd "${conf[@]}" -i 0 --mkfs --osd-uuid "$osd" 2>/dev/null
ceph-osd "${conf[@]}" -i 0 2>/dev/null
await osd_up
radosgw "${conf[@]}" -n client.admin
await listening
radosgw-admin "${conf[@]}" user create --uid=test --display-name=test --access-key=AK --secret-key=SK >/dev/null 2>&1
