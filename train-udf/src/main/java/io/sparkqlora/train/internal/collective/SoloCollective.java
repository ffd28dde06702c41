// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.train.Collective;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.time.temporal.ChronoUnit;

/** The world of one rank. */
public enum SoloCollective implements Collective {
    INSTANCE;

    @Override
    public int rank() {
        return 0;
    }

    @Override
    public int worldSize() {
        return 1;
    }

    @Override
    public Duration timeout() {
        return ChronoUnit.FOREVER.getDuration();
    }

    @Override
    public void check() {}

    @Override
    public void begin(long step) {}

    @Override
    public void allReduceSum(ByteBuffer values) {}

    @Override
    public byte[][] allGather(byte[] mine) {
        return new byte[][] {mine.clone()};
    }

    @Override
    public void allGatherInto(ByteBuffer[] parts) {}

    @Override
    public void abort(Throwable cause) {}

    @Override
    public void close() {}
}
