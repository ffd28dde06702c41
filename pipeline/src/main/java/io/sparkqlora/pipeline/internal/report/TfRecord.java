// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.zip.CRC32C;

/**
 * TensorFlow's container of records: each is its length (64 bits), that length's checksum, its bytes, and their checksum, all
 * little-endian. The checksums are CRC-32C, masked so that a checksum of data that holds checksums is sound
 * (tensorflow/core/lib/io/record_writer.cc, tensorflow/core/lib/hash/crc32c.h).
 */
final class TfRecord {

    private static final int MASK = 0xA282EAD8;
    private static final int ROTATION = 15;

    private TfRecord() {}

    /** Appends a record. */
    static void append(byte[] data, ByteArrayOutputStream out) {
        byte[] length = ByteBuffer.allocate(Long.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(data.length)
                .array();
        out.writeBytes(length);
        out.writeBytes(checksum(length));
        out.writeBytes(data);
        out.writeBytes(checksum(data));
    }

    private static byte[] checksum(byte[] data) {
        CRC32C crc = new CRC32C();
        crc.update(data, 0, data.length);
        int masked = Integer.rotateRight((int) crc.getValue(), ROTATION) + MASK;
        return ByteBuffer.allocate(Integer.BYTES)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(masked)
                .array();
    }
}
