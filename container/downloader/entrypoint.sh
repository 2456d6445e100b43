#!/bin/sh
# entrypoint.sh URI: downloads a model into TARGET_DIR (default /cache). Further words are those of "aim fetch".
exec aim fetch "$@"
