#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Compiles src/main/cuda/*.cu into fatbin resources, one a file: machine code for Hopper, and PTX for everything from sm_80 on,
# except of *_sm90.cu, whose instructions no other chip has. What was made of the same sources stays as it is. Those in `halves` are
# compiled twice: their type of 16 bits is bf16, and in NAME_f16.fatbin f16 (see narrow.cuh).
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
halves=" attention attention_backward_ends attention_backward_sm90 attention_plain attention_sm90 cross_entropy dequantize dropout elementwise gated_activation head_norm int8 int8_linear int8_linear_sm90 lora_gradient matmul matmul_f32 matmul_sm90 rms_norm rope row_noise row_select weight_norm "

digest() { # of all that an output depends on; times don't serve, since git sets them anew
    cat "$1" "$sources"/*.cuh "$script" | sha256sum | cut -d ' ' -f 1
}

compile() { # source
    local name
    name=$(basename "$1" .cu)
    fatbin "$1" "$name"
    [[ $halves != *" $name "* ]] || fatbin "$1" "${name}_f16" -DQLORA_F16
}

fatbin() { # source, name, options
    local name=$2 output digest chips
    output=$target/$name.fatbin
    digest=$(digest "$1")
    [ -e "$output" ] && [ "$digest" = "$(cat "$stamps/$name" 2> /dev/null)" ] && return 0
    chips=(-gencode=arch=compute_90a,code=sm_90a)
    [[ $name == *_sm90* ]] || chips+=(-gencode=arch=compute_80,code=compute_80)
    echo "nvcc $name.cu"
    "$nvcc" -std=c++17 -O3 -fatbin "${chips[@]}" "${@:3}" -o "$stamps/$name.fatbin" "$1"
    keep "$name" "$digest"
}

keep() { # name, digest; the stamp says what the file is, so it goes first and comes last
    rm -f "$stamps/$1"
    mv "$stamps/$1.fatbin" "$target/$1.fatbin"
    echo "$2" > "$stamps/$1"
}

script=$0
stamps=$3
mkdir -p "$stamps"
export -f compile fatbin keep digest
export sources target nvcc script stamps halves
# two at a time: the larger ones take most of a minute each
find "$sources" -name '*.cu' -print0 | sort -z | xargs -0 -P 2 -I {} bash -euo pipefail -c 'compile "$1"' "$script" {}
for output in "$target"/*.fatbin; do # of sources that are gone
    name=$(basename "$output" .fatbin)
    [ -e "$sources/${name%_f16}.cu" ] || rm -f "$output"
done
