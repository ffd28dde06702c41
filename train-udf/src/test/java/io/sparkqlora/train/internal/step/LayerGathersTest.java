// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.Device;
import io.sparkqlora.kernels.Devices;
import io.sparkqlora.train.Collective;
import io.sparkqlora.train.ComputeType;
import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.QuantizationConfig;
import io.sparkqlora.train.TargetModules;
import io.sparkqlora.train.TinyModels;
import io.sparkqlora.train.TrainingArguments;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Which gathers run when; what they bring is tested with whole steps. */
class LayerGathersTest {

    private static final ModelConfig MODEL = ModelConfig.parse(
            TinyModels.CONFIG.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 5"), "five layers");

    private final Device device = Devices.open("cpu");
    private final SessionArenas arenas = new SessionArenas(device);
    private final RingThread thread = new RingThread();
    private final Gate ranks = new Gate();

    /** The first of two ranks; each gather waits for a permit. */
    private static final class Gate implements Collective {

        private final Semaphore begun = new Semaphore(0);
        private final Semaphore permits = new Semaphore(0);

        @Override
        public void allGatherInto(ByteBuffer[] parts) {
            assertThat(parts).hasSize(2);
            begun.release();
            permits.acquireUninterruptibly();
        }

        /** Whether so many gathers have begun since the last time, and no other. */
        boolean hasBegun(int gathers) throws InterruptedException {
            return begun.tryAcquire(gathers, 10, TimeUnit.SECONDS) && !begun.tryAcquire(20, TimeUnit.MILLISECONDS);
        }

        @Override
        public byte[][] allGather(byte[] mine) {
            byte[] other = mine.clone();
            other[Long.BYTES - 1] = 1;
            return new byte[][] {mine, other};
        }

        @Override
        public int rank() {
            return 0;
        }

        @Override
        public int worldSize() {
            return 2;
        }

        @Override
        public Duration timeout() {
            return Duration.ofSeconds(10);
        }

        @Override
        public void check() {}

        @Override
        public void begin(long step) {}

        @Override
        public void allReduceSum(ByteBuffer values) {
            throw new AssertionError("nothing is added up");
        }

        @Override
        public void abort(Throwable cause) {}

        @Override
        public void close() {}
    }

    private LayerGathers gathers(int lowest) {
        LoraConfig lora =
                LoraConfig.builder().targetModules(TargetModules.allLinear()).build();
        TrainingArguments arguments =
                TrainingArguments.builder().numProcesses(2).shardBase(true).build();
        SessionSpec spec =
                SessionSpec.of(device.traits(), MODEL, QuantizationConfig.nf4(ComputeType.F32), lora, arguments, 16, 1);
        SessionBuffers buffers = SessionBuffers.take(spec, arenas.allocate(SessionPlan.of(spec)));
        LayerTransport transport = new HostGathers(device, buffers.model().shards(), 0);
        return new LayerGathers(buffers.model(), lowest, 0, thread, transport);
    }

    @AfterEach
    void free() {
        ranks.permits.release(100);
        thread.close();
        arenas.close();
        device.close();
    }

    @Test
    void theNextLayerIsGatheredWhileOneIsComputedWith() throws InterruptedException {
        LayerGathers.OfStep step = gathers(0).begin(ranks, 1);
        ranks.permits.release(1);
        step.before(0);
        // layer 0 is there; layer 1 is being gathered, layer 2 has to wait for the image of layer 0
        assertThat(ranks.hasBegun(2)).isTrue();
        for (int layer = 1; layer < 4; layer++) {
            ranks.permits.release(1);
            step.before(layer);
            assertThat(ranks.hasBegun(1)).as("the one after " + layer).isTrue();
        }
        ranks.permits.release(1);
        step.before(4);
        step.before(4);
        assertThat(ranks.hasBegun(0))
                .as("4 and 3 are there, 2 would go where 4 is")
                .isTrue();
        step.before(3);
        assertThat(ranks.hasBegun(1)).isTrue();
        ranks.permits.release(1);
        step.before(2);
        assertThat(ranks.hasBegun(1)).isTrue();
    }

    @Test
    void whereBackwardEndsTheNextForwardsFirstLayerIsAskedFor() throws InterruptedException {
        LayerGathers gathers = gathers(3);
        LayerGathers.OfStep step = gathers.begin(ranks, 2);
        ranks.permits.release(100);
        gathers.walk(step);
        // 0 to 4 up, 4 and 3 are there; 0 goes where 4 was
        assertThat(ranks.hasBegun(5 + 1)).isTrue();
        assertThatThrownBy(() -> step.before(1))
                .hasMessage("layer 1 is not number 7 of [0, 1, 2, 3, 4, 4, 3, 0, 1, 2, 3, 4, 4, 3]");
    }
}
