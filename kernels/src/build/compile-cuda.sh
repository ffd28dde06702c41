#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compiles src/main/cuda/*.cu into fatbin resources, one a file: machine code for Hopper, and PTX for everything from sm_80 on,
# except of *_sm90.cu, whose instructions no other chip has. What was made of the same sources stays as it is.
#   compile-cuda.sh <sources> <target folder> <folder for what it remembers>
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

digest() { # of all that an output depends on; times don't serve, since git sets them anew
    cat "$1" "$sources"/*.cuh "$script" | sha256sum | cut -d ' ' -f 1
}

compile() { # source
    local name output digest chips
    name=$(basename "$1" .cu)
    output=$target/$name.fatbin
    digest=$(digest "$1")
    [ -e "$output" ] && [ "$digest" = "$(cat "$stamps/$name" 2> /dev/null)" ] && return 0
    chips=(-gencode=arch=compute_90a,code=sm_90a)
    [[ $name == *_sm90 ]] || chips+=(-gencode=arch=compute_80,code=compute_80)
    echo "nvcc $name.cu"
    "$nvcc" -std=c++17 -O3 -fatbin "${chips[@]}" -o "$stamps/$name.fatbin" "$1"
    mv "$stamps/$name.fatbin" "$output"
    echo "$digest" > "$stamps/$name"
}

script=$0
stamps=$3
mkdir -p "$stamps"
export -f compile digest
export sources target nvcc script stamps
# two at a time: the larger ones take most of a minute each
find "$sources" -name '*.cu' -print0 | sort -z | xargs -0 -P 2 -I {} bash -euo pipefail -c 'compile "$1"' "$script" {}
for output in "$target"/*.fatbin; do # of sources that are gone
    [ -e "$sources/$(basename "$output" .fatbin).cu" ] || rm -f "$output"
done
