#!/bin/sh
# entrypoint.sh URI: downloads a model into TARGET_DIR, else MOUNT_PATH, else /cache. Other arguments are passed
# to "aim fetch".
export TARGET_DIR="${TARGET_DIR:-${MOUNT_PATH:-/cache}}"
exec aim fetch "$@"
