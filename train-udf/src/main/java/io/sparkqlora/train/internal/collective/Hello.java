// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import io.sparkqlora.train.RingMember;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.List;

/**
 * What a rank says when it connects.
 *
 * @param member who it is
 * @param nonce of the ring
 */
record Hello(RingMember member, String nonce) {

    private static final String SEPARATOR = "\n";

    private List<String> lines() {
        return List.of(
                "run " + member.runId(),
                "chunk " + member.chunk(),
                "attempt " + member.attempt(),
                "rank " + member.rank(),
                "world size " + member.worldSize());
    }

    ByteBuffer encoded() {
        return StandardCharsets.UTF_8.encode(String.join(SEPARATOR, lines()) + SEPARATOR + nonce);
    }

    /** What is wrong with somebody's hello; null if nothing is. */
    static String problem(ByteBuffer said, Hello expected) {
        String[] lines = StandardCharsets.UTF_8.decode(said).toString().split(SEPARATOR, -1);
        List<String> wanted = expected.lines();
        if (lines.length != wanted.size() + 1) {
            return "it does not say who it is";
        }
        for (int i = 0; i < wanted.size(); i++) {
            if (!wanted.get(i).equals(lines[i])) {
                return "it is " + lines[i] + ", expected was " + wanted.get(i);
            }
        }
        boolean known = MessageDigest.isEqual(bytes(lines[wanted.size()]), bytes(expected.nonce));
        return known ? null : "it does not have this attempt's nonce";
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
