// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import io.sparkqlora.train.CollectiveErrors;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * The first failure, as it goes round the ring.
 *
 * @param rank that failed, or that found another one lost
 * @param code of the error
 * @param kind of the error
 * @param message of the error
 */
record Abort(int rank, String code, Kind kind, String message) {

    private static final int MOST_TEXT = 8_000;
    private static final String SEPARATOR = "\n";
    private static final int FIELDS = 4;

    static Abort of(int rank, QLoraException e) {
        return new Abort(rank, e.code(), e.kind(), e.getMessage());
    }

    /** What the other ranks throw. */
    QLoraException error() {
        return CollectiveErrors.ofRank(rank, code, kind, message);
    }

    ByteBuffer encoded() {
        String line = message.replace('\n', ' ');
        String text = line.length() <= MOST_TEXT ? line : line.substring(0, MOST_TEXT);
        return StandardCharsets.UTF_8.encode(String.join(SEPARATOR, String.valueOf(rank), code, kind.name(), text));
    }

    /** The inverse; null if it is no abort. */
    static Abort decode(ByteBuffer bytes) {
        String[] parts = StandardCharsets.UTF_8.decode(bytes).toString().split(SEPARATOR, FIELDS);
        if (parts.length < FIELDS) {
            return null;
        }
        try {
            return new Abort(Integer.parseInt(parts[0]), parts[1], Kind.valueOf(parts[2]), parts[3]);
        } catch (IllegalArgumentException e) {
            return null;
        }
    }
}
