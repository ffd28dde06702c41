// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import io.sparkqlora.kernels.DType;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * The type that a checkpoint's packed 4-bit elements are stored under ({@code bnb_4bit_quant_storage}): the bytes are the same
 * under each, only what the file calls them differs. FSDP in PyTorch wants them to have the type of the other weights.
 */
public enum QuantStorage {
    UINT8(DType.U8),
    INT8(DType.I8),
    BFLOAT16(DType.BF16),
    FLOAT16(DType.F16),
    FLOAT32(DType.F32),
    FLOAT64(DType.F64);

    private final DType dtype;

    QuantStorage(DType dtype) {
        this.dtype = dtype;
    }

    /** The type in a file. */
    public DType dtype() {
        return dtype;
    }

    /** torch's name, such as {@code uint8}. */
    public String torchName() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** All of torch's names. */
    public static List<String> torchNames() {
        return Arrays.stream(values()).map(QuantStorage::torchName).toList();
    }

    /** The storage of torch's name, or null. */
    public static QuantStorage named(String torchName) {
        return Arrays.stream(values())
                .filter(each -> each.torchName().equals(torchName))
                .findFirst()
                .orElse(null);
    }
}
