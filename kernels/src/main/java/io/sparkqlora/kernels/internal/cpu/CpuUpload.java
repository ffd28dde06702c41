// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels.internal.cpu;

import io.sparkqlora.kernels.ByteSource;
import io.sparkqlora.kernels.Tensor;
import io.sparkqlora.kernels.Upload;
import io.sparkqlora.kernels.internal.Checks;
import io.sparkqlora.kernels.internal.upload.ReadAhead;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.stream.Stream;

/** Reads into 32 MiB of buffers while operations run, and copies from there. */
final class CpuUpload implements Upload {

    private static final int PIECE = 4 << 20;
    private static final int PIECES = 8;
    private static final int READERS = 4;

    private final ReadAhead ahead;

    CpuUpload(List<ByteSource> sources) {
        ahead = new ReadAhead(
                sources, Stream.generate(CpuUpload::buffer).limit(PIECES).toList(), PIECE, READERS);
    }

    private static ByteBuffer buffer() {
        return ByteBuffer.allocateDirect(PIECE + ByteSource.SLACK + ByteSource.ALIGNMENT)
                .alignedSlice(ByteSource.ALIGNMENT);
    }

    @Override
    public void next(Tensor target) {
        Checks.contiguous(target);
        ahead.begin(target.bytes());
        for (long done = 0; done < target.bytes(); ) {
            ByteBuffer piece = ahead.take();
            HostCopy.in(piece, target.address() + done);
            done += piece.remaining();
            ahead.release();
        }
    }

    @Override
    public void close() {
        ahead.close();
    }
}
