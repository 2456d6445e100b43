#!/bin/sh
# check-size.sh URI: prints a model's size; the last line of the log is {"url":…,"sizeBytes":N}.
exec aim size "$@"
