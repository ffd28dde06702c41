// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.LongFunction;

/**
 * Hugging Face's tokenizers, through DJL's binding. The binding is called below its {@code HuggingFaceTokenizer}: that
 * class makes eight arrays an encoding, a string a token among them, where ids are wanted; it also reports its use to its
 * makers. Thread-safe.
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
        TokenizersNatives.load();
        return TokenizersLibrary.LIB;
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
