// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import io.sparkqlora.kernels.QLoraException.Kind;

/** The errors of this module. Codes are never reused. */
public final class KernelErrors {

    private KernelErrors() {}

    /** The arena was planned too small: a fault of the plan, not of the user. */
    static QLoraException arenaFull(long need, long have, long size) {
        return new QLoraException(
                "QLORA-K001",
                Kind.RESOURCES,
                "the step's buffers need " + need + " more bytes, " + have + " of " + size
                        + " are left: the memory plan and the step disagree; please report this with the job file",
                null);
    }

    /** A device has too little memory. */
    public static QLoraException outOfMemory(String device, String purpose, long need, long have, String fix) {
        return new QLoraException(
                "QLORA-K002",
                Kind.RESOURCES,
                "not enough memory on " + device + " for " + purpose + ": needs " + need + " bytes, " + have
                        + " are free; " + fix,
                null);
    }

    /** The wanted thread count is no positive number. */
    public static QLoraException badThreadCount(String property, String value) {
        return new QLoraException(
                "QLORA-K003",
                Kind.CONFIG,
                "the number of CPU threads can't be " + value + "; set -D" + property
                        + " to a positive whole number, or not at all",
                null);
    }

    /** The backend is known, but this build has none. */
    static QLoraException noCuda(String backend) {
        return new QLoraException(
                "QLORA-K004",
                Kind.RESOURCES,
                "backend " + backend + " is not in this build: it has CPU kernels only; set backend to cpu",
                null);
    }

    /** No such backend. */
    static QLoraException unknownBackend(String backend) {
        return new QLoraException(
                "QLORA-K005", Kind.CONFIG, "there is no backend " + backend + "; set backend to cpu", null);
    }

    /** An operation was given an element type that it can't work on: a fault of the caller, not of the user. */
    public static QLoraException unsupportedDType(DType dtype, String supported) {
        return new QLoraException(
                "QLORA-K006",
                Kind.DEVICE,
                "a CPU operation was given a tensor of " + dtype + ", it works on " + supported
                        + "; please report this with the job file",
                null);
    }

    /** Linux's own account of its memory can't be read. */
    public static QLoraException hostMemoryUnknown(Exception cause) {
        return new QLoraException(
                "QLORA-K007",
                Kind.DEVICE,
                "the free memory of this machine can't be read: " + cause.getMessage()
                        + "; the CPU backend needs Linux with /proc mounted",
                cause);
    }

    /** A block size that the 4-bit formats don't have. */
    static QLoraException badBlockSize(int blockSize, int min, int max) {
        return new QLoraException(
                "QLORA-K010",
                Kind.CONFIG,
                "a 4-bit format has no block size " + blockSize + "; choose a power of two from " + min + " to " + max,
                null);
    }

    /** A weight holds an infinity or not-a-number. */
    public static QLoraException nonFiniteWeight(long row, long col, float value) {
        return new QLoraException(
                "QLORA-K011",
                Kind.INPUT,
                "a weight can't be quantised: its element at row " + row + ", column " + col + " is " + value
                        + "; the checkpoint is damaged or was trained to divergence, use another one",
                null);
    }

    /** oneDNN or the OpenMP library beside it can't be loaded. */
    public static QLoraException oneDnnMissing(Throwable cause) {
        return new QLoraException(
                "QLORA-K020",
                Kind.DEVICE,
                "oneDNN, which the CPU backend multiplies matrices with, can't be loaded: " + cause
                        + "; it needs Linux on x86-64, the jars org.bytedeco:dnnl and opencl with their linux-x86_64"
                        + " natives, and a temporary directory that allows execution",
                cause);
    }

    /** oneDNN refused a product. */
    public static QLoraException oneDnnFailed(String product, String instructions, Throwable cause) {
        return new QLoraException(
                "QLORA-K021",
                Kind.DEVICE,
                "oneDNN can't compute " + product + " on a processor with " + instructions
                        + (cause == null ? "" : ": " + cause.getMessage())
                        + "; where BF16 is not supported (before AVX-512), set bnb_4bit_compute_dtype to float32",
                cause);
    }
}
