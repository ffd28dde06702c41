// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import static org.bytedeco.dnnl.global.dnnl.dnnl_get_effective_cpu_isa;

import com.sun.jna.Function;
import com.sun.jna.NativeLibrary;
import io.sparkqlora.kernels.KernelErrors;
import java.io.File;
import org.bytedeco.dnnl.engine;
import org.bytedeco.javacpp.Loader;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The oneDNN library, loaded once a process. It is called from our own threads, one slice of a product each, and must not
 * start threads of its own: an OpenMP team would spin on the cores that the other slices need. How many threads OpenMP
 * uses is a setting of the calling thread, so every thread passes {@link #enter} first.
 */
final class OneDnn {

    private static final Logger LOG = LoggerFactory.getLogger(OneDnn.class);

    /** By default JavaCPP refuses to work in a process larger than twice its Java heap, and ours is: the model is native. */
    private static final String[] JAVACPP_LIMITS = {
        "org.bytedeco.javacpp.maxphysicalbytes", "org.bytedeco.javacpp.maxPhysicalBytes"
    };

    private static volatile OneDnn instance;

    private final engine cpu;
    private final Function setNumThreads;
    private final ThreadLocal<Boolean> single = ThreadLocal.withInitial(this::useOneThread);

    private OneDnn(engine cpu, Function setNumThreads) {
        this.cpu = cpu;
        this.setNumThreads = setNumThreads;
    }

    private static synchronized OneDnn load() {
        if (instance == null) {
            instance = open();
        }
        return instance;
    }

    private static OneDnn open() {
        if (System.getProperty(JAVACPP_LIMITS[0]) == null && System.getProperty(JAVACPP_LIMITS[1]) == null) {
            System.setProperty(JAVACPP_LIMITS[0], "0");
        }
        try {
            File library = new File(Loader.load(org.bytedeco.dnnl.global.dnnl.class));
            File openMp = new File(library.getParentFile(), "libgomp.so.1");
            Function setNumThreads = NativeLibrary.getInstance(openMp.getPath()).getFunction("omp_set_num_threads");
            setNumThreads.invokeVoid(new Object[] {1});
            LOG.debug("oneDNN loaded from {}", library);
            return new OneDnn(new engine(engine.kind.cpu, 0), setNumThreads);
        } catch (RuntimeException | LinkageError e) {
            throw KernelErrors.oneDnnMissing(e);
        }
    }

    private boolean useOneThread() {
        setNumThreads.invokeVoid(new Object[] {1});
        return true;
    }

    /** The engine, for a thread that from now on computes its oneDNN calls itself. */
    static engine enter() {
        OneDnn loaded = instance == null ? load() : instance;
        if (!loaded.single.get()) {
            throw new AssertionError("OpenMP's thread count is not set");
        }
        return loaded.cpu;
    }

    /** Whether BF16 products run on matrix units (AMX). */
    static boolean hasMatrixUnits() {
        return instructions().contains("amx");
    }

    /** Whether there are instructions for BF16 products. */
    static boolean hasBf16() {
        return hasMatrixUnits()
                || instructions().endsWith("bf16")
                || instructions().endsWith("fp16");
    }

    /** The instructions that oneDNN uses here, in its own words. */
    static String instructions() {
        enter();
        return switch (dnnl_get_effective_cpu_isa()) {
            case org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx512_core_amx_fp16 -> "avx512_core_amx_fp16";
            case org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx512_core_amx -> "avx512_core_amx";
            case org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx512_core_fp16 -> "avx512_core_fp16";
            case org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx512_core_bf16 -> "avx512_core_bf16";
            case org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx512_core_vnni -> "avx512_core_vnni";
            case org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx512_core -> "avx512_core";
            case org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx2_vnni_2 -> "avx2_vnni_2";
            case org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx2_vnni -> "avx2_vnni";
            case org.bytedeco.dnnl.global.dnnl.dnnl_cpu_isa_avx2 -> "avx2";
            default -> "isa 0x" + Integer.toHexString(dnnl_get_effective_cpu_isa());
        };
    }
}
