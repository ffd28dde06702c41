// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.LongFunction;

/**
 * Hugging Face's tokenizers, through DJL's binding. The binding is called below its {@code HuggingFaceTokenizer}: that
 * class makes eight arrays an encoding, a string a token among them, where ids are wanted; it also reports its use to its
 * makers and can download libraries. Thread-safe.
 */
public final class NativeTokenizer implements AutoCloseable {

    private static final TokenizersLibrary LIBRARY = load();

    // a closed handle is freed memory: nobody may be inside the library then
    private final ReadWriteLock lock = new ReentrantReadWriteLock();
    private long handle;

    /** @param json the text of a tokenizer.json; its own truncation and padding are switched off */
    public NativeTokenizer(String json) {
        handle = LIBRARY.createTokenizerFromString(json);
        LIBRARY.disableTruncation(handle);
        LIBRARY.disablePadding(handle);
    }

    private static TokenizersLibrary load() {
        setUnlessGiven("OPT_OUT_TRACKING", "true");
        setUnlessGiven("ai.djl.offline", "true");
        // never a CUDA build of the library, which would have to be downloaded
        setUnlessGiven("RUST_FLAVOR", "cpu");
        if (System.getenv("DJL_CACHE_DIR") == null && System.getenv("ENGINE_CACHE_DIR") == null) {
            chooseCache();
        }
        LibUtils.checkStatus();
        return TokenizersLibrary.LIB;
    }

    private static void setUnlessGiven(String property, String value) {
        if (System.getProperty(property) == null && System.getenv(property) == null) {
            System.setProperty(property, value);
        }
    }

    /** The library is unpacked under the home directory; where that can't be written, in a directory of this process. */
    private static void chooseCache() {
        boolean given = System.getProperty("DJL_CACHE_DIR") != null || System.getProperty("ENGINE_CACHE_DIR") != null;
        if (given || Files.isWritable(Path.of(System.getProperty("user.home", "")))) {
            return;
        }
        try {
            System.setProperty(
                    "ENGINE_CACHE_DIR",
                    Files.createTempDirectory("spark-qlora-tokenizers").toString());
        } catch (IOException e) {
            throw new UncheckedIOException("no directory to unpack the tokenizers library into", e);
        }
    }

    /** The token ids of a text. */
    public int[] encode(String text, boolean addSpecialTokens) {
        return encoding(text, addSpecialTokens, NativeTokenizer::ids);
    }

    /** The token ids of a text and what each token covers. */
    public Encoded encodeWithOffsets(String text, boolean addSpecialTokens) {
        Encoded encoded = encoding(text, addSpecialTokens, encoding -> {
            int[] ids = ids(encoding);
            CharSpan[] spans = LIBRARY.getTokenCharSpans(encoding);
            int[] starts = new int[ids.length];
            int[] ends = new int[ids.length];
            for (int i = 0; i < ids.length; i++) {
                starts[i] = spans[i] == null ? 0 : spans[i].getStart();
                ends[i] = spans[i] == null ? 0 : spans[i].getEnd();
            }
            return new Encoded(ids, starts, ends);
        });
        CodePoints.toUnits(text, encoded.starts(), encoded.ends());
        return encoded;
    }

    /** The text of token ids. */
    public String decode(int[] ids, boolean skipSpecialTokens) {
        long[] wide = new long[ids.length];
        for (int i = 0; i < ids.length; i++) {
            wide[i] = ids[i];
        }
        return using(tokenizer -> LIBRARY.decode(tokenizer, wide, skipSpecialTokens));
    }

    private <T> T encoding(String text, boolean addSpecialTokens, LongFunction<T> reader) {
        return using(tokenizer -> {
            long encoding = LIBRARY.encode(tokenizer, text, addSpecialTokens);
            try {
                return reader.apply(encoding);
            } finally {
                LIBRARY.deleteEncoding(encoding);
            }
        });
    }

    private static int[] ids(long encoding) {
        long[] wide = LIBRARY.getTokenIds(encoding);
        int[] ids = new int[wide.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (int) wide[i];
        }
        return ids;
    }

    private <T> T using(LongFunction<T> use) {
        lock.readLock().lock();
        try {
            if (handle == 0) {
                throw new IllegalStateException("the tokenizer is closed");
            }
            return use.apply(handle);
        } finally {
            lock.readLock().unlock();
        }
    }

    @Override
    public void close() {
        lock.writeLock().lock();
        try {
            if (handle != 0) {
                LIBRARY.deleteTokenizer(handle);
                handle = 0;
            }
        } finally {
            lock.writeLock().unlock();
        }
    }

    /** @throws IllegalStateException if it is closed */
    void requireOpen() {
        using(handle -> handle);
    }

    /**
     * Tokens with what they cover.
     *
     * @param ids the token ids
     * @param starts the first UTF-16 unit of each token; 0 for tokens that the post-processor added
     * @param ends the UTF-16 unit after its last; 0 for tokens that the post-processor added
     */
    public record Encoded(int[] ids, int[] starts, int[] ends) {}
}
