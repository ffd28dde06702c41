// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.kryo;

import com.esotericsoftware.kryo.Kryo;
import com.esotericsoftware.kryo.Serializer;
import com.esotericsoftware.kryo.io.Input;
import com.esotericsoftware.kryo.io.Output;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Writes what remains in a buffer, with its byte order; what is read lies on the heap. The buffer's position stays: several
 * tasks may write one buffer.
 */
final class ByteBufferSerializer extends Serializer<ByteBuffer> {

    private static final int PIECE = 1 << 16;

    ByteBufferSerializer() {
        super(false, false);
    }

    @Override
    public void write(Kryo kryo, Output output, ByteBuffer buffer) {
        output.writeInt(buffer.remaining(), true);
        output.writeBoolean(buffer.order() == ByteOrder.LITTLE_ENDIAN);
        if (buffer.hasArray()) {
            output.writeBytes(buffer.array(), buffer.arrayOffset() + buffer.position(), buffer.remaining());
            return;
        }
        ByteBuffer rest = buffer.duplicate();
        byte[] piece = new byte[Math.min(PIECE, rest.remaining())];
        while (rest.hasRemaining()) {
            int length = Math.min(piece.length, rest.remaining());
            rest.get(piece, 0, length);
            output.writeBytes(piece, 0, length);
        }
    }

    @Override
    public ByteBuffer read(Kryo kryo, Input input, Class<ByteBuffer> type) {
        int length = input.readInt(true);
        boolean little = input.readBoolean();
        return ByteBuffer.wrap(input.readBytes(length)).order(little ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
    }
}
