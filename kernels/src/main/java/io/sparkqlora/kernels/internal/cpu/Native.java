// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import java.lang.reflect.Field;
import sun.misc.Unsafe;

/**
 * Raw native memory. Java 17 has no stable API for memory beyond 2 GiB, and buffers of 2 GiB would make every index
 * arithmetic of an operation a two-level one; so this class, alone, uses {@code sun.misc.Unsafe}. Nothing here checks bounds:
 * {@link io.sparkqlora.kernels.Tensor} does, once, when it is made.
 */
final class Native {

    private static final Unsafe UNSAFE = unsafe();

    private Native() {}

    private static Unsafe unsafe() {
        try {
            Field field = Unsafe.class.getDeclaredField("theUnsafe");
            field.setAccessible(true);
            return (Unsafe) field.get(null);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    /** Address of a new block, or 0 where the system has none. */
    static long allocate(long bytes) {
        try {
            return UNSAFE.allocateMemory(bytes);
        } catch (OutOfMemoryError e) {
            return 0;
        }
    }

    static void free(long address) {
        UNSAFE.freeMemory(address);
    }

    static void copy(long source, long target, long bytes) {
        UNSAFE.copyMemory(source, target, bytes);
    }

    static void fill(long address, long bytes, byte value) {
        UNSAFE.setMemory(address, bytes, value);
    }

    static void load(long source, float[] target, int at, int count) {
        UNSAFE.copyMemory(null, source, target, Unsafe.ARRAY_FLOAT_BASE_OFFSET + 4L * at, 4L * count);
    }

    static void store(float[] source, int at, int count, long target) {
        UNSAFE.copyMemory(source, Unsafe.ARRAY_FLOAT_BASE_OFFSET + 4L * at, null, target, 4L * count);
    }

    static void load(long source, short[] target, int at, int count) {
        UNSAFE.copyMemory(null, source, target, Unsafe.ARRAY_SHORT_BASE_OFFSET + 2L * at, 2L * count);
    }

    static void store(short[] source, int at, int count, long target) {
        UNSAFE.copyMemory(source, Unsafe.ARRAY_SHORT_BASE_OFFSET + 2L * at, null, target, 2L * count);
    }

    static void load(long source, int[] target, int at, int count) {
        UNSAFE.copyMemory(null, source, target, Unsafe.ARRAY_INT_BASE_OFFSET + 4L * at, 4L * count);
    }

    static void store(int[] source, int at, int count, long target) {
        UNSAFE.copyMemory(source, Unsafe.ARRAY_INT_BASE_OFFSET + 4L * at, null, target, 4L * count);
    }

    static void load(long source, byte[] target, int at, int count) {
        UNSAFE.copyMemory(null, source, target, Unsafe.ARRAY_BYTE_BASE_OFFSET + at, count);
    }

    static void store(byte[] source, int at, int count, long target) {
        UNSAFE.copyMemory(source, Unsafe.ARRAY_BYTE_BASE_OFFSET + at, null, target, count);
    }

    static float getFloat(long address) {
        return UNSAFE.getFloat(address);
    }

    static void putFloat(long address, float value) {
        UNSAFE.putFloat(address, value);
    }

    static double getDouble(long address) {
        return UNSAFE.getDouble(address);
    }

    static void putDouble(long address, double value) {
        UNSAFE.putDouble(address, value);
    }

    static long getLong(long address) {
        return UNSAFE.getLong(address);
    }

    static void putLong(long address, long value) {
        UNSAFE.putLong(address, value);
    }

    static int getInt(long address) {
        return UNSAFE.getInt(address);
    }

    static void putInt(long address, int value) {
        UNSAFE.putInt(address, value);
    }

    static short getShort(long address) {
        return UNSAFE.getShort(address);
    }

    static void putShort(long address, short value) {
        UNSAFE.putShort(address, value);
    }

    static byte getByte(long address) {
        return UNSAFE.getByte(address);
    }

    static void putByte(long address, byte value) {
        UNSAFE.putByte(address, value);
    }
}
