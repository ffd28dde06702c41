// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import jcuda.driver.CUresult;
import org.junit.jupiter.api.Test;

/** What the driver's codes become; needs no driver. */
class DriverTest {

    @Test
    void aLackOfMemoryIsOneOfResourcesAndSaysWhatToChange() {
        QLoraException e = Driver.failure(CUresult.CUDA_ERROR_OUT_OF_MEMORY, "launching add over 7×1×1", () -> 1234);
        assertThat(e.kind()).isEqualTo(Kind.RESOURCES);
        assertThat(e)
                .hasMessage(
                        "QLORA-K061: the NVIDIA driver has too little memory for its own needs while launching add over"
                                + " 7×1×1: 1234 bytes are free on the GPU; leave it some 200 MiB: lower"
                                + " per_device_train_batch_size or max_seq_length, set recompute to full or load_in_4bit to true,"
                                + " end other processes on the GPU (nvidia-smi), or look at the machine's own free memory");
    }

    /** In a thread of its own: what is lost is the device that the thread uses, and other tests use one in this thread. */
    @Test
    void everyOtherCodeLosesTheDevice() throws InterruptedException, ExecutionException {
        FutureTask<QLoraException> failure =
                new FutureTask<>(() -> Driver.failure(CUresult.CUDA_ERROR_ILLEGAL_ADDRESS, "running kernels", () -> 0));
        new Thread(failure).start();
        QLoraException e = failure.get();
        assertThat(e.kind()).isEqualTo(Kind.DEVICE);
        assertThat(e)
                .hasMessageStartingWith(
                        "QLORA-K045: the GPU failed while running kernels: CUDA_ERROR_ILLEGAL_ADDRESS (700)");
        assertThatCode(() -> Driver.check(CUresult.CUDA_SUCCESS, "nothing")).doesNotThrowAnyException();
    }
}
