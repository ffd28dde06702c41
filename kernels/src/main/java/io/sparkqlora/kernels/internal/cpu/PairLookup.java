// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;

/**
 * Calls {@link ByteTables#lookUpPairs} such that the JIT compiler can't make it a part of its caller. There, among other loops with vectors,
 * its registers are spilt in each round, which takes twice as long, and whether it is made a part of it depends on what was compiled first. The compiler
 * follows a handle that is a constant, and an object's field is none. (Writing the loop out until it is too long, as {@link BFloat16} does, made
 * it slower: the compiler then made objects of vectors.)
 */
final class PairLookup {

    private static final MethodHandle LOOK_UP = find();

    private final MethodHandle handle = LOOK_UP;

    private static MethodHandle find() {
        MethodType type = MethodType.methodType(
                void.class, byte[].class, int.class, int.class, int[].class, int.class, byte[].class);
        try {
            return MethodHandles.lookup().findStatic(ByteTables.class, "lookUpPairs", type);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    void run(byte[] bytes, int from, int rowBytes, int[] tables, int pairs, byte[] out) {
        try {
            handle.invokeExact(bytes, from, rowBytes, tables, pairs, out);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new AssertionError(e); // it declares none
        }
    }
}
