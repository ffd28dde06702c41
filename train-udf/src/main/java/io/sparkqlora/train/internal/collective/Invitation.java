// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.collective;

import java.net.InetSocketAddress;
import java.security.SecureRandom;
import java.util.HexFormat;

/**
 * Where a rank listens.
 *
 * @param host name or address
 * @param port of TCP
 * @param nonce hexadecimal; the first rank's is what members of a ring show each other
 */
public record Invitation(String host, int port, String nonce) {

    private static final int NONCE_BYTES = 16;

    /** An invitation with a new nonce. */
    public static Invitation random(String host, int port) {
        byte[] nonce = new byte[NONCE_BYTES];
        new SecureRandom().nextBytes(nonce);
        return new Invitation(host, port, HexFormat.of().formatHex(nonce));
    }

    /** The inverse of {@link #toString()}; an IPv6 address may have colons. */
    public static Invitation parse(String text) {
        int slash = text.lastIndexOf('/');
        int colon = text.lastIndexOf(':', slash);
        return new Invitation(
                text.substring(0, colon),
                Integer.parseInt(text.substring(colon + 1, slash)),
                text.substring(slash + 1));
    }

    InetSocketAddress address() {
        return new InetSocketAddress(host, port);
    }

    /** A rank there, for people. */
    String named(int rank) {
        return "rank " + rank + " (" + host + ":" + port + ")";
    }

    @Override
    public String toString() {
        return host + ":" + port + "/" + nonce;
    }
}
