// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import com.sun.jna.Memory;
import com.sun.jna.Native;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.ptr.IntByReference;
import com.sun.jna.ptr.PointerByReference;
import io.sparkqlora.kernels.KernelErrors;
import io.sparkqlora.kernels.Tensor;

/**
 * NVIDIA's library for exchanges between GPUs, where there is one (libnccl.so.2, since 2.7): the one thing that may be used
 * beside the driver, and only by runs of more than one rank.
 */
final class Nccl {

    /** Bytes of a group's id. */
    static final int ID_BYTES = 128;

    private static final int SUCCESS = 0;
    private static final int IN_PROGRESS = 7;
    private static final int UINT8 = 1;
    private static final int FLOAT32 = 7;
    private static final int MAJOR = 10000;
    private static final int MINOR = 100;

    private static NativeLibrary library;
    private static boolean missing;

    private Nccl() {}

    /** Loads it, once a process; false where there is none. */
    static synchronized boolean available() {
        if (library == null && !missing) {
            try {
                NativeLibrary found = NativeLibrary.getInstance("libnccl.so.2");
                Native.register(Calls.class, found);
                library = found;
            } catch (UnsatisfiedLinkError e) {
                missing = true;
            }
        }
        return library != null;
    }

    /** Such as {@code NCCL 2.28.3}. */
    static String version() {
        IntByReference version = new IntByReference();
        check(Calls.ncclGetVersion(version), "ncclGetVersion");
        int number = version.getValue();
        return "NCCL " + number / MAJOR + "." + number / MINOR % MINOR + "." + number % MINOR;
    }

    static byte[] newId() {
        Memory id = new Memory(ID_BYTES);
        check(Calls.ncclGetUniqueId(id), "ncclGetUniqueId");
        return id.getByteArray(0, ID_BYTES);
    }

    /** Joins with this thread's current context; waits for the others, however long. Gives the group's handle. */
    static long join(byte[] id, int rank, int size) {
        Id value = new Id();
        System.arraycopy(id, 0, value.bytes, 0, ID_BYTES);
        PointerByReference group = new PointerByReference();
        Object[] arguments = {group, size, value, rank};
        check(library.getFunction("ncclCommInitRank").invokeInt(arguments), "joining as rank " + rank + " of " + size);
        return Pointer.nativeValue(group.getValue());
    }

    /** What {@code sends} issues begins at once, so that no two members wait for each other. */
    static void together(Runnable sends) {
        check(Calls.ncclGroupStart(), "ncclGroupStart");
        try {
            sends.run();
        } finally {
            check(Calls.ncclGroupEnd(), "ncclGroupEnd");
        }
    }

    /** Issues the sending of a tensor, F32 or U8. */
    static void send(Tensor values, int peer, long group, long stream) {
        check(Calls.ncclSend(values.address(), values.size(), type(values), peer, group, stream), "ncclSend");
    }

    /** Issues the receiving of a tensor, F32 or U8. */
    static void receive(Tensor values, int peer, long group, long stream) {
        check(Calls.ncclRecv(values.address(), values.size(), type(values), peer, group, stream), "ncclRecv");
    }

    private static int type(Tensor values) {
        return switch (values.dtype()) {
            case F32 -> FLOAT32;
            case U8 -> UINT8;
            default -> throw new IllegalArgumentException("NCCL isn't asked for " + values.dtype());
        };
    }

    /** Throws what went wrong in the background of {@code doing}. */
    static void checkAsync(long group, String doing) {
        IntByReference error = new IntByReference();
        check(Calls.ncclCommGetAsyncError(group, error), "ncclCommGetAsyncError");
        check(error.getValue(), doing);
    }

    /** Ends what runs, and frees the group; nothing to be done if that fails too. */
    static void abort(long group) {
        Calls.ncclCommAbort(group);
    }

    private static void check(int code, String call) {
        if (code != SUCCESS && code != IN_PROGRESS) {
            throw KernelErrors.groupFailed(call, Calls.ncclGetErrorString(code) + " (" + code + ")");
        }
    }

    /** {@code ncclUniqueId}, which is passed by value. */
    @Structure.FieldOrder("bytes")
    public static final class Id extends Structure implements Structure.ByValue {
        public byte[] bytes = new byte[ID_BYTES];
    }

    /** Functions of libnccl; pointers and handles are addresses. */
    static final class Calls {

        private Calls() {}

        static native int ncclGetVersion(IntByReference version);

        static native int ncclGetUniqueId(Pointer id);

        static native int ncclGroupStart();

        static native int ncclGroupEnd();

        static native int ncclSend(long address, long count, int type, int peer, long group, long stream);

        static native int ncclRecv(long address, long count, int type, int peer, long group, long stream);

        static native int ncclCommGetAsyncError(long group, IntByReference error);

        static native int ncclCommAbort(long group);

        static native String ncclGetErrorString(int code);
    }
}
