// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.TensorStack;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Descriptions of matrices of 16 bits, and of codes of 8, for Hopper's copy engine. A step uses the same matrices again and again, so each description
 * is made once; the latest few thousand are kept.
 */
final class TensorMaps {

    private static final int KEPT = 8192;
    private static final int BYTES = 128;
    private static final int ALIGNMENT = 64;
    /** Elements of a box's row: 128 bytes, the width of the swizzle. */
    private static final int BOX_COLS = 64;

    private static final long MAX_STRIDE_BYTES = 1L << 40;

    // of CUtensorMapDataType (one type of 16 bits is copied as the other, and filled with the same zeros), …Interleave,
    // …Swizzle, …L2promotion, …FloatOOBfill
    private static final int BFLOAT16 = 9;
    private static final int INTERLEAVE_NONE = 0;
    private static final int SWIZZLE_128B = 3;
    private static final int L2_128B = 2;
    private static final int FILL_ZEROS = 0;

    /** @param count matrices of a stack, 0 for a matrix, which has one dimension less */
    private record Key(long address, long rows, long cols, long rowStride, int boxRows, int count, long distance) {}

    private final Map<Key, Memory> maps = new LinkedHashMap<>(KEPT, 0.75f, true) {
        private static final long serialVersionUID = 1L;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Key, Memory> eldest) {
            return size() > KEPT;
        }
    };

    // where in `sizes` the driver finds its arguments, of up to three dimensions, the first being the sizes
    private static final int STRIDES = 24;
    private static final int BOX = 40;
    private static final int STEPS = 52;
    private final Memory sizes = new Memory(64);

    /** Whether it is a type that Hopper's kernels multiply, but for codes. */
    static boolean narrow(DType dtype) {
        return dtype == DType.BF16 || dtype == DType.F16;
    }

    /** Whether the copy engine can read and write it: of 16 bits, everything at multiples of 16 bytes. */
    static boolean fits(Tensor tensor) {
        return narrow(tensor.dtype())
                && tensor.address() % 16 == 0
                && tensor.rowStride() % 8 == 0
                && tensor.rowStride() * 2 < MAX_STRIDE_BYTES;
    }

    /** Native address of the description of {@code tensor} for boxes of {@code boxRows} rows by 64 columns. */
    long of(Tensor tensor, int boxRows) {
        return of(new Key(tensor.address(), tensor.rows(), tensor.cols(), tensor.rowStride(), boxRows, 0, 0));
    }

    /** Whether the copy engine can read codes of 8 bits, as half as many elements of 16. */
    static boolean fitsCodes(Tensor codes) {
        return codes.dtype() == DType.I8
                && codes.cols() % 2 == 0
                && codes.address() % 16 == 0
                && codes.rowStride() % 16 == 0
                && codes.rowStride() < MAX_STRIDE_BYTES;
    }

    /** The same of codes, for boxes of {@code boxRows} rows by 128 of them. */
    long ofCodes(Tensor codes, int boxRows) {
        return of(new Key(codes.address(), codes.rows(), codes.cols() / 2, codes.rowStride() / 2, boxRows, 0, 0));
    }

    /** The same for boxes of one matrix of a stack. */
    long of(TensorStack stack, int boxRows) {
        Tensor first = stack.first();
        long distance = stack.count() == 1 ? first.rows() * first.rowStride() : stack.distance();
        return of(new Key(
                first.address(), first.rows(), first.cols(), first.rowStride(), boxRows, stack.count(), distance));
    }

    /** Whether the copy engine can read it. */
    static boolean fits(TensorStack stack) {
        return fits(stack.first()) && stack.distance() % 8 == 0 && stack.distance() * 2 < MAX_STRIDE_BYTES;
    }

    private long of(Key key) {
        Memory map = maps.get(key);
        if (map == null) {
            map = new Memory(BYTES + ALIGNMENT);
            encode(key, aligned(map));
            maps.put(key, map);
        }
        return aligned(map);
    }

    private static long aligned(Memory memory) {
        return (Pointer.nativeValue(memory) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private void encode(Key key, long map) {
        sizes.setLong(0, key.cols());
        sizes.setLong(8, key.rows());
        sizes.setLong(16, Math.max(1, key.count()));
        sizes.setLong(STRIDES, key.rowStride() * 2);
        sizes.setLong(STRIDES + 8, key.distance() * 2);
        sizes.setInt(BOX, BOX_COLS);
        sizes.setInt(BOX + 4, key.boxRows());
        sizes.setInt(BOX + 8, 1);
        for (int i = 0; i < 3; i++) {
            sizes.setInt(STEPS + 4 * i, 1);
        }
        long at = Pointer.nativeValue(sizes);
        int code = Driver.Calls.cuTensorMapEncodeTiled(
                map,
                BFLOAT16,
                key.count() == 0 ? 2 : 3,
                key.address(),
                at,
                at + STRIDES,
                at + BOX,
                at + STEPS,
                INTERLEAVE_NONE,
                SWIZZLE_128B,
                L2_128B,
                FILL_ZEROS);
        if (code != 0) {
            throw KernelErrors.cudaFailed("cuTensorMapEncodeTiled of " + key, Driver.name(code));
        }
    }
}
