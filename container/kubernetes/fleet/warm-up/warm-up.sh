#!/bin/sh
# Downloads the model to this node and reports one line of JSON, on standard output and as the termination message.
# NODE_NAME      the name of this node
# WARM_UP_SPREAD seconds over which the nodes' starts are spread. Default: 0
# WARM_UP_REPORT file for the report. Default: /dev/termination-log
set -u
spread=${WARM_UP_SPREAD:-0}
report=${WARM_UP_REPORT:-/dev/termination-log}
waited=0

# A node that has the model neither waits nor downloads.
if ! HF_HUB_OFFLINE=1 aim download-to-cache --progress none >/dev/null 2>&1 && [ "$spread" -gt 0 ]; then
  # Derived from the node's name, so it is the same each time.
  hash=$(printf %s "$NODE_NAME" | cksum)
  waited=$((${hash%% *} % spread))
  # In the background, so that TERM is handled at once.
  trap 'kill $! 2>/dev/null; exit 143' TERM
  sleep "$waited" &
  wait $!
  trap - TERM
fi

start=$(date +%s)
result=$(aim download-to-cache --progress none --format json)
code=$?
line="{\"node\":\"$NODE_NAME\",\"exitCode\":$code,\"waited\":$waited,\"seconds\":$(($(date +%s) - start)),\"download\":$(printf %s "${result:-null}" | tr -d '\n')}"
echo "$line"
# A termination message is limited to 4096 bytes.
[ ${#line} -le 4096 ] || line="{\"node\":\"$NODE_NAME\",\"exitCode\":$code,\"waited\":$waited,\"seconds\":$(($(date +%s) - start)),\"download\":null}"
echo "$line" >"$report"
exit "$code"
