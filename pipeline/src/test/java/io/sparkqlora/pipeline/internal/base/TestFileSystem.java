// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import java.io.IOException;
import java.net.URI;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSInputStream;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.RawLocalFileSystem;

/** The local filesystem under the scheme {@code test}, whose answers may be broken or slow. */
public final class TestFileSystem extends RawLocalFileSystem {

    /** How an open file goes wrong. */
    enum Fault {
        BREAKS,
        ENDS,
        HANGS
    }

    /**
     * What happens to the next reader of a file.
     *
     * @param after so many bytes
     */
    record Faulty(Fault fault, int after) {}

    private static final Map<String, ConcurrentLinkedQueue<Faulty>> FAULTS = new ConcurrentHashMap<>();
    private static final Map<String, Long> CLAIMED = new ConcurrentHashMap<>();
    private static final List<String> OPENED = new CopyOnWriteArrayList<>();

    /** Settings with which Hadoop finds it. */
    public static Configuration settings() {
        Configuration settings = new Configuration();
        settings.set("fs.test.impl", TestFileSystem.class.getName());
        return settings;
    }

    /** Forgets what was to go wrong. */
    public static void reset() {
        FAULTS.clear();
        CLAIMED.clear();
        OPENED.clear();
    }

    /** Files that were read, as name@position. */
    static List<String> opened() {
        return List.copyOf(OPENED);
    }

    static void fault(String name, Fault fault, int after) {
        FAULTS.computeIfAbsent(name, any -> new ConcurrentLinkedQueue<>()).add(new Faulty(fault, after));
    }

    /** Says that a file has this length. */
    static void claim(String name, long length) {
        CLAIMED.put(name, length);
    }

    @Override
    public String getScheme() {
        return "test";
    }

    @Override
    public URI getUri() {
        return URI.create("test:///");
    }

    @Override
    public FileStatus[] listStatus(Path folder) throws IOException {
        FileStatus[] all = super.listStatus(folder);
        for (int i = 0; i < all.length; i++) {
            Long claimed = CLAIMED.get(all[i].getPath().getName());
            if (claimed != null) {
                all[i] = new FileStatus(claimed, false, 1, 1, all[i].getModificationTime(), all[i].getPath());
            }
        }
        return all;
    }

    @Override
    public FSDataInputStream open(Path file, int bufferSize) throws IOException {
        ConcurrentLinkedQueue<Faulty> faults = FAULTS.get(file.getName());
        Faulty faulty = faults == null ? null : faults.poll();
        return new FSDataInputStream(new Reader(file.getName(), super.open(file, bufferSize), faulty));
    }

    private static final class Reader extends FSInputStream {

        private final String name;
        private final FSDataInputStream in;
        private final Faulty faulty;
        private int given;

        Reader(String name, FSDataInputStream in, Faulty faulty) {
            this.name = name;
            this.in = in;
            this.faulty = faulty;
        }

        @Override
        public int read() throws IOException {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            if (faulty == null) {
                return in.read(bytes, offset, length);
            }
            if (given == faulty.after()) {
                return fail();
            }
            int count = in.read(bytes, offset, Math.min(length, faulty.after() - given));
            given += count;
            return count;
        }

        private int fail() throws IOException {
            switch (faulty.fault()) {
                case ENDS -> {
                    return -1;
                }
                case BREAKS -> throw new IOException("the store's connection was reset");
                default -> {
                    try {
                        Thread.sleep(600_000);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                    throw new IOException("woken");
                }
            }
        }

        @Override
        public void seek(long position) throws IOException {
            OPENED.add(name + "@" + position);
            in.seek(position);
        }

        @Override
        public long getPos() throws IOException {
            return in.getPos();
        }

        @Override
        public boolean seekToNewSource(long position) {
            return false;
        }

        @Override
        public void close() throws IOException {
            in.close();
        }
    }
}
