#!/bin/sh
# check-size.sh URI: the last line of the log is {"url":…,"sizeBytes":N}.
exec aim size "$@"
