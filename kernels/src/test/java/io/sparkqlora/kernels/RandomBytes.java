// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;

/** A source of random bytes, which come to lie somewhere in the space that a read is given; and what a device must do with it. */
public record RandomBytes(byte[] data) implements ByteSource {

    private static RandomBytes of(int bytes) {
        byte[] data = new byte[bytes];
        new Random(bytes).nextBytes(data);
        return new RandomBytes(data);
    }

    @Override
    public long bytes() {
        return data.length;
    }

    @Override
    public ByteBuffer read(long position, int count, ByteBuffer space) {
        int skip = (int) (position % ALIGNMENT) + 1;
        space.duplicate().position(skip).put(data, (int) position, count);
        return space.duplicate().clear().position(skip).limit(skip + count);
    }

    /** Uploads of more than the buffers hold, some of them small, into one tensor after another. */
    public static void checkUploads(Device device) {
        List<RandomBytes> sources = Stream.of(1, 0, 50_000_001, 4096, 8 << 20, 90_000_000)
                .map(RandomBytes::of)
                .toList();
        try (Upload upload = device.upload(List.copyOf(sources));
                Memory memory = device.allocate(90_000_000, "a test")) {
            for (RandomBytes source : sources) {
                Tensor target = Tensor.of(memory, DType.U8, 1, source.bytes());
                upload.next(target);
                byte[] got = new byte[source.data.length];
                device.copyOut(target, ByteBuffer.wrap(got));
                assertThat(got).isEqualTo(source.data);
            }
            assertThatThrownBy(() -> upload.next(Tensor.of(memory, DType.U8, 1, 7)))
                    .isInstanceOf(IllegalArgumentException.class);
        }
    }
}
