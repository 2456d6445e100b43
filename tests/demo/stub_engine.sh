#!/bin/sh
# A stub engine that prints how it was started.
echo "stub engine, PID $$"
echo "arguments:"
printf '  %s\n' "$@"
echo "environment, in part:"
env | sort | while read -r line; do
  case $line in
    HF_HOME=* | HF_HUB_* | HIP_* | VLLM_* | HSA_* | NCCL_* | AIM_*) echo "  $line" ;;
  esac
done
