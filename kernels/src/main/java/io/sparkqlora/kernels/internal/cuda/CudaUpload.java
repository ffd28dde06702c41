// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cuda;

import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.Upload;
import io.sparkqlora.kernels.internal.Checks;
import io.sparkqlora.kernels.internal.upload.ReadAhead;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import jcuda.driver.CUevent;
import jcuda.driver.CUevent_flags;
import jcuda.driver.JCudaDriver;

/**
 * Reads into a ring of pinned memory, 128 MiB, from where the copy engine takes the pieces in order. Copies are on the stream
 * of the operations: what is quantised next lands when what was quantised before has been read.
 */
final class CudaUpload implements Upload {

    private static final int PIECE = 4 << 20;
    private static final int SPACE = PIECE + ByteSource.SLACK;
    private static final int PIECES = 32;
    private static final int READERS = 8;

    /** Pieces whose copy may be under way: enough to keep the copy engine busy, few enough to leave the readers the rest. */
    private static final int COPYING = 8;

    private final Handles.Stream stream;
    private final Handles.HostBlock memory = new Handles.HostBlock();
    private final CUevent[] copied = new CUevent[PIECES];
    private final ReadAhead ahead;

    CudaUpload(Handles.Stream stream, List<ByteSource> sources) {
        this.stream = stream;
        Driver.check(JCudaDriver.cuMemAllocHost(memory, (long) PIECES * SPACE), "allocating pinned memory");
        List<ByteBuffer> ring = new ArrayList<>();
        for (int i = 0; i < PIECES; i++) {
            ring.add(memory.getByteBuffer((long) i * SPACE, SPACE));
            copied[i] = new CUevent();
            Driver.check(JCudaDriver.cuEventCreate(copied[i], CUevent_flags.CU_EVENT_DISABLE_TIMING), "cuEventCreate");
        }
        ahead = new ReadAhead(sources, ring, PIECE, READERS);
    }

    @Override
    public void next(Tensor target) {
        Checks.contiguous(target);
        ahead.begin(target.bytes());
        for (long done = 0; done < target.bytes(); ) {
            int place = ahead.nextPlace();
            ByteBuffer piece = ahead.take();
            copy(place, piece, target.address() + done);
            done += piece.remaining();
            if (ahead.held() > COPYING) {
                release((place + PIECES - COPYING) % PIECES);
            }
        }
    }

    private void copy(int place, ByteBuffer piece, long target) {
        Driver.check(
                JCudaDriver.cuMemcpyHtoDAsync(
                        Handles.at(target),
                        memory.withByteOffset((long) place * SPACE + piece.position()),
                        piece.remaining(),
                        stream),
                "copying to the device");
        Driver.check(JCudaDriver.cuEventRecord(copied[place], stream), "cuEventRecord");
    }

    private void release(int place) {
        Driver.check(JCudaDriver.cuEventSynchronize(copied[place]), "copying to the device");
        ahead.release();
    }

    /** After a fault of the device too, the memory is given back: nothing copies from it any more. */
    @Override
    public void close() {
        ahead.close();
        int fault = JCudaDriver.cuStreamSynchronize(stream);
        for (CUevent event : copied) {
            JCudaDriver.cuEventDestroy(event);
        }
        int code = JCudaDriver.cuMemFreeHost(memory);
        Driver.check(fault == 0 ? code : fault, "copying to the device");
    }
}
