#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compiles src/main/cuda/*.cu into fatbin resources, one a file: machine code for Hopper, and PTX for everything from sm_80 on,
# except of *_sm90.cu, whose instructions no other chip has. What is newer than its sources stays as it is.
#   compile-cuda.sh <sources> <target folder>
set -euo pipefail
sources=$1
target=$2
nvcc=${NVCC:-$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)}

if [ "${SKIP_CUDA:-false}" = true ]; then
    rm -f "$target"/*.fatbin
    echo "CUDA kernels are skipped (cuda.skip): backend cuda is not in this build"
    exit 0
fi
if ! command -v "$nvcc" > /dev/null; then
    rm -f "$target"/*.fatbin
    echo "WARNING: no nvcc on the PATH (nor in NVCC): backend cuda is not in this build. CUDA 13's compiler brings it."
    exit 0
fi
mkdir -p "$target"

stale() { # source output: whether a source, a header or this script is newer
    local from
    for from in "$1" "$sources"/*.cuh "$0"; do
        [ "$from" -nt "$2" ] && return 0
    done
    return 1
}

compile() { # source
    local name output
    name=$(basename "$1" .cu)
    output=$target/$name.fatbin
    stale "$1" "$output" || return 0
    local chips=(-gencode=arch=compute_90a,code=sm_90a)
    [[ $name == *_sm90 ]] || chips+=(-gencode=arch=compute_80,code=compute_80)
    echo "nvcc $name.cu"
    "$nvcc" -std=c++17 -O3 -fatbin "${chips[@]}" -o "$output.part" "$1"
    mv "$output.part" "$output"
}

export -f compile stale
export sources target nvcc
script=$0
# two at a time: the larger ones take most of a minute each
find "$sources" -name '*.cu' -print0 | sort -z | xargs -0 -P 2 -I {} bash -euo pipefail -c 'compile "$1"' "$script" {}
for output in "$target"/*.fatbin; do # of sources that are gone
    [ -e "$sources/$(basename "$output" .fatbin).cu" ] || rm -f "$output"
done
