#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A GPU discovery script for Spark: spark.worker.resource.gpu.discoveryScript, spark.executor.resource.gpu.discoveryScript.
# Prints the machine's GPUs as Spark wants them, {"name":"gpu","addresses":["0","1"]}: the numbers that nvidia-smi shows, or,
# where a node has the driver and no tools, the driver's own list under /proc, counted in the same order (by PCI address).
# Where CUDA_VISIBLE_DEVICES is set, CUDA counts what it shows from 0, and so does this script. Needs nothing but a shell.
#
# CUDA itself puts the fastest GPU first unless told otherwise: on a machine with different GPUs set
# CUDA_DEVICE_ORDER=PCI_BUS_ID for workers and executors.

proc=${QLORA_PROC_DRIVER:-/proc/driver/nvidia}
addresses=
n=0

add() {
  addresses="$addresses${addresses:+,}\"$1\""
  n=$((n + 1))
}

if [ -n "${CUDA_VISIBLE_DEVICES+set}" ]; then
  set -f
  IFS=', '
  for entry in $CUDA_VISIBLE_DEVICES; do
    # CUDA stops at the first entry that is no device
    case $entry in -*) break ;; *) add "$n" ;; esac
  done
elif command -v nvidia-smi >/dev/null 2>&1 && list=$(nvidia-smi --query-gpu=index --format=csv,noheader 2>/dev/null); then
  for entry in $list; do
    # where there is no GPU it prints a sentence
    case $entry in *[!0-9]*) ;; *) add "$entry" ;; esac
  done
else
  for entry in "$proc"/gpus/*; do
    if [ -e "$entry" ]; then add "$n"; fi
  done
fi

if [ "$n" -eq 0 ]; then
  echo "gpu-discovery: neither CUDA_VISIBLE_DEVICES, nvidia-smi nor $proc/gpus shows a GPU; is the NVIDIA driver loaded?" >&2
  exit 1
fi
echo "{\"name\":\"gpu\",\"addresses\":[$addresses]}"
