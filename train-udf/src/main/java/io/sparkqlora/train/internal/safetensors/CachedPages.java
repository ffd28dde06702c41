// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import java.io.IOException;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.util.HashMap;
import java.util.Map;

/**
 * Tells what of a file is in the system's cache. The file is mapped for that, in windows, but never read through the mapping:
 * a page that can't be read would end the process.
 */
final class CachedPages {

    private static final long WINDOW = 1L << 30;

    private final FileChannel channel;
    private final Map<Long, MappedByteBuffer> windows = new HashMap<>();

    CachedPages(FileChannel channel) {
        this.channel = channel;
    }

    /** Whether all of these bytes are there; false where that can't be told. */
    boolean contains(long position, int count) {
        long first = position / WINDOW;
        long last = (position + count - 1) / WINDOW;
        for (long window = first; window <= last; window++) {
            long start = window * WINDOW;
            long from = Math.max(position, start) - start;
            long to = Math.min(position + count, start + WINDOW) - start;
            if (!contains(window, (int) from, (int) (to - from))) {
                return false;
            }
        }
        return true;
    }

    private boolean contains(long window, int from, int count) {
        MappedByteBuffer mapped = window(window);
        return mapped != null
                && from + count <= mapped.capacity()
                && ((MappedByteBuffer) mapped.slice(from, count)).isLoaded();
    }

    private synchronized MappedByteBuffer window(long window) {
        return windows.computeIfAbsent(window, this::map);
    }

    private MappedByteBuffer map(long window) {
        try {
            long start = window * WINDOW;
            return channel.map(MapMode.READ_ONLY, start, Math.min(WINDOW, channel.size() - start));
        } catch (IOException | IllegalArgumentException e) {
            return null;
        }
    }
}
