// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

/**
 * A stack of buffers in one allocation, sized before the first step so that a step allocates nothing. On a planning device
 * the same calls only count, which is how the size is found.
 */
public final class Arena implements AutoCloseable {

    private static final int ALIGNMENT = 256;

    private final Memory memory;
    private final boolean owned;
    private final long start;
    private final long end;
    private long top;
    private long peak;

    /** An arena over an allocation that it owns from now on. */
    public Arena(Memory memory) {
        this(memory, true, 0, memory.bytes());
    }

    private Arena(Memory memory, boolean owned, long start, long end) {
        this.memory = memory;
        this.owned = owned;
        this.start = start;
        this.end = end;
        this.top = start;
        this.peak = start;
    }

    /** An arena over the bytes of a contiguous tensor that was taken from another one; closing it frees nothing. */
    public static Arena within(Tensor bytes) {
        return new Arena(bytes.memory(), false, bytes.byteOffset(), bytes.byteOffset() + bytes.bytes());
    }

    /** Where its memory lies. */
    public Memory.Kind kind() {
        return memory.kind();
    }

    /** A contiguous matrix on top of the stack, its contents undefined. */
    public Tensor take(DType dtype, long rows, long cols) {
        long bytes = rows * cols * dtype.bytes();
        if (top + bytes > end) {
            throw KernelErrors.arenaFull(bytes, end - top, end - start);
        }
        Tensor taken = new Tensor(memory, top, dtype, rows, cols, cols);
        top = (top + bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        peak = Math.max(peak, top);
        return taken;
    }

    /** Where the stack stands, for {@link #release}. */
    public long mark() {
        return top;
    }

    /** Gives back everything taken since {@code mark}. */
    public void release(long mark) {
        if (mark < start || mark > top) {
            throw new IllegalArgumentException("mark " + mark + " is not below the top " + top);
        }
        top = mark;
    }

    /** The most bytes that were in use at once. */
    public long peakBytes() {
        return peak - start;
    }

    @Override
    public void close() {
        if (owned) {
            memory.close();
        }
    }
}
