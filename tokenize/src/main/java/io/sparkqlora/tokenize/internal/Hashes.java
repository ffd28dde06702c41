// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** SHA-256. */
public final class Hashes {

    private static final int HEX_BYTES = 16;

    private Hashes() {}

    /** The first 128 bits of the hash of a text's UTF-8, as 32 hexadecimal digits. */
    public static String hex(String text) {
        return hex(text.getBytes(StandardCharsets.UTF_8));
    }

    /** The first 128 bits of the hash, as 32 hexadecimal digits. */
    public static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(sha256(bytes), 0, HEX_BYTES);
    }

    /** The hash, 32 bytes. */
    static byte[] sha256(byte[] bytes) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(bytes);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
