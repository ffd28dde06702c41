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
    public static QLoraException noCuda(String backend) {
        return new QLoraException(
                "QLORA-K004",
                Kind.RESOURCES,
                "backend " + backend
                        + " is not in this build: it has CPU kernels only, since nvcc was missing when it was made; build"
                        + " it with CUDA 13's nvcc on the PATH, or set backend to cpu",
                null);
    }

    /** No such backend. */
    public static QLoraException unknownBackend(String backend) {
        return new QLoraException(
                "QLORA-K005",
                Kind.CONFIG,
                "there is no backend " + backend + "; set backend to cpu, cuda or cuda:1 (2, 3 …)",
                null);
    }

    /** An operation was given an element type that it can't work on: a fault of the caller, not of the user. */
    public static QLoraException unsupportedDType(DType dtype, String supported) {
        return new QLoraException(
                "QLORA-K006",
                Kind.DEVICE,
                "an operation was given a tensor of " + dtype + ", it works on " + supported
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

    /** LLM.int8 rounds to F16 first, where the element has no place. */
    public static QLoraException beyondHalf(long row, long col, float value) {
        return new QLoraException(
                "QLORA-K012",
                Kind.INPUT,
                "a weight can't be quantised to 8 bits: its element at row " + row + ", column " + col + " is " + value
                        + ", and F16, through which LLM.int8 goes, ends at 65504; quantise it to 4 bits instead",
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

    /** The driver's library is not on this machine, or JCuda's native code does not load. */
    public static QLoraException noCudaDriver(Throwable cause) {
        return new QLoraException(
                "QLORA-K040",
                Kind.RESOURCES,
                "backend cuda needs the NVIDIA driver, which can't be loaded here: "
                        + cause.getMessage().lines().findFirst().orElse("").replaceFirst(":$", "")
                        + "; install the driver (libcuda.so.1), or set backend to cpu",
                cause);
    }

    /** The driver is there and finds nothing to drive. */
    public static QLoraException noCudaDevice(String code) {
        return new QLoraException(
                "QLORA-K041",
                Kind.RESOURCES,
                "the NVIDIA driver finds no GPU that this process may use: cuInit says " + code
                        + "; look at nvidia-smi and CUDA_VISIBLE_DEVICES, or set backend to cpu",
                null);
    }

    /** There are fewer GPUs. */
    public static QLoraException noSuchCudaDevice(int ordinal, int count) {
        return new QLoraException(
                "QLORA-K042",
                Kind.RESOURCES,
                "there is no GPU " + ordinal + ": the driver shows " + count + " to this process, numbered from 0; set"
                        + " backend to a lower one, or CUDA_VISIBLE_DEVICES to more",
                null);
    }

    /** The GPU lacks instructions that the kernels use. */
    public static QLoraException cudaDeviceTooOld(String name, int capability, int oldest) {
        return new QLoraException(
                "QLORA-K043",
                Kind.RESOURCES,
                name + " has compute capability " + capability / 10 + "." + capability % 10 + ", the kernels need "
                        + oldest / 10 + "." + oldest % 10 + " (Ampere) or later; set backend to cpu",
                null);
    }

    /** The GPU has no room for even a context. */
    public static QLoraException noRoomForContext(String name) {
        return new QLoraException(
                "QLORA-K044",
                Kind.RESOURCES,
                "not enough memory on " + name + " for the driver's own needs, some 600 MiB: other processes hold it;"
                        + " look at nvidia-smi, or choose another GPU",
                null);
    }

    /** A call of the driver, or a kernel that ran before it, failed. The device can't be used any more by this process. */
    public static QLoraException cudaFailed(String call, String code) {
        return new QLoraException(
                "QLORA-K045",
                Kind.DEVICE,
                "the GPU failed while " + call + ": " + code + "; this process can't use it any more: run the command"
                        + " again, it goes on where it stood, and report this if it comes back",
                null);
    }

    /** Only GPUs have kernels to time. */
    static QLoraException noProfile(String device) {
        return new QLoraException(
                "QLORA-K049",
                Kind.CONFIG,
                device + " can't tell time by kernel; leave the profile out, or set backend to cuda",
                null);
    }

    /** Operations could not be captured as a graph. */
    public static QLoraException notRecorded(String step, String code, String property, Throwable cause) {
        return new QLoraException(
                "QLORA-K050",
                Kind.DEVICE,
                "the GPU's operations can't be captured as a graph: " + step + " says " + code + "; set -D" + property
                        + "=false to launch them one by one, which gives the same bits, and please report this",
                cause);
    }

    /** What every call after such a failure says: the first one's error again. */
    public static QLoraException cudaLost(QLoraException first) {
        String text = first.getMessage().substring(first.code().length() + 2);
        return new QLoraException(first.code(), first.kind(), text, first);
    }

    /** The build lost a kernel file. */
    public static QLoraException kernelsMissing(String file) {
        return new QLoraException(
                "QLORA-K046",
                Kind.DEVICE,
                "the kernels of " + file + ".cu are not in this build; build it again with nvcc on the PATH",
                null);
    }

    /** A kernel file can't be read from the jar. */
    public static QLoraException kernelsUnreadable(String file, Exception cause) {
        return new QLoraException(
                "QLORA-K047",
                Kind.DEVICE,
                "the kernels of " + file + ".cu can't be read: " + cause.getMessage() + "; install the jar again",
                cause);
    }

    /** Heads wider than the kernels hold in registers. */
    public static QLoraException headTooWide(int headDim, int widest) {
        return new QLoraException(
                "QLORA-K048",
                Kind.CONFIG,
                "attention heads of " + headDim + " elements are not supported on backend cuda, " + widest
                        + " is the most; set backend to cpu",
                null);
    }

    /** Someone wants this thread to stop while it waits for weights to be read. */
    public static QLoraException interrupted(InterruptedException cause) {
        return new QLoraException(
                "QLORA-K060",
                Kind.CONFLICT,
                "interrupted while the weights were being read; run the command again, it goes on from the last commit",
                cause);
    }

    /** NCCL refused a call, or found out that a member is gone. */
    public static QLoraException groupFailed(String call, String code) {
        return new QLoraException(
                "QLORA-K070",
                Kind.RANK_LOST,
                "the GPUs of this run can't work together any more: NCCL says " + code + " while " + call
                        + "; run the command again, it goes on from the last commit. If it comes back at once, NCCL_DEBUG=WARN"
                        + " in the executors' environment tells more",
                null);
    }

    /** A member neither answers nor fails. */
    public static QLoraException groupTimedOut(String call, long seconds) {
        return new QLoraException(
                "QLORA-K071",
                Kind.RANK_LOST,
                "the GPUs of this run have waited for each other for " + seconds + " s while " + call
                        + ": a rank is gone or hangs; look at the executors' logs, or raise ddp_timeout if it is only slow",
                null);
    }

    /** The driver found no memory for what it needs beside our allocations, or none of the machine's that can be pinned. */
    public static QLoraException driverOutOfMemory(String call, long deviceFree) {
        return new QLoraException(
                "QLORA-K061",
                Kind.RESOURCES,
                "the NVIDIA driver has too little memory for its own needs while " + call + ": " + deviceFree
                        + " bytes are free on the GPU; leave it some 200 MiB: lower per_device_train_batch_size or"
                        + " max_seq_length, set recompute to full or load_in_4bit to true, end other processes on the GPU"
                        + " (nvidia-smi), or look at the machine's own free memory",
                null);
    }
}
