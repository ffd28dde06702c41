// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.databind.JsonNode;
import io.sparkqlora.tokenize.internal.NativeTokenizer.Encoded;
import java.util.Arrays;
import java.util.Optional;

/**
 * Encodes text piece by piece and remembers the pieces: most of a text is words that were there before, and a remembered word
 * costs a hundredth of what its regular expressions and merges do. A piece is what lies between two places where
 * {@link PieceRules} say that the tokenizer never looks across; the tokens of a text are those of its pieces, which the
 * tokenizer itself encodes. Thread-safe.
 */
public final class PieceEncoder {

    /** Longer pieces (text without spaces, data) hardly come twice. */
    private static final int LONGEST = 48;

    private static final int SLOTS = 1 << 16;

    private final NativeTokenizer tokenizer;
    private final AddedTokens added;
    private final int[] before;
    private final int[] after;

    // threads may overwrite each other's pieces: each is whole, immutable and right, and a lost one is encoded again
    private final Piece[] remembered = new Piece[SLOTS];

    private record Piece(String text, Encoded encoded) {}

    private PieceEncoder(NativeTokenizer tokenizer, AddedTokens added) {
        this.tokenizer = tokenizer;
        this.added = added;
        int[] bare = tokenizer.encode("a", false);
        int[] whole = tokenizer.encode("a", true);
        int at = bare.length == whole.length ? 0 : indexOf(whole, bare);
        this.before = Arrays.copyOf(whole, at);
        this.after = Arrays.copyOfRange(whole, at + bare.length, whole.length);
    }

    /** The encoder of a parsed tokenizer.json, or empty where nothing tells where its text comes apart. */
    public static Optional<PieceEncoder> of(NativeTokenizer tokenizer, JsonNode json) {
        return PieceRules.hold(json)
                ? Optional.of(new PieceEncoder(tokenizer, AddedTokens.of(json, tokenizer)))
                : Optional.empty();
    }

    private static int indexOf(int[] whole, int[] part) {
        for (int at = 0; at + part.length <= whole.length; at++) {
            if (Arrays.equals(whole, at, at + part.length, part, 0, part.length)) {
                return at;
            }
        }
        throw new IllegalStateException("the post-processor changes the tokens of \"a\": " + Arrays.toString(whole));
    }

    /** What {@link NativeTokenizer#encodeWithOffsets} gives. */
    public Encoded encode(String text, boolean addSpecialTokens) {
        tokenizer.requireOpen();
        EncodedBuilder out = new EncodedBuilder(text.length() / 3 + before.length + after.length);
        if (addSpecialTokens) {
            out.addSpecial(before);
        }
        pieces(text, out);
        if (addSpecialTokens) {
            out.addSpecial(after);
        }
        return out.build();
    }

    private void pieces(String text, EncodedBuilder out) {
        int start = 0;
        int hash = 0;
        int i = 0;
        while (i < text.length()) {
            char c = text.charAt(i);
            AddedTokens.Token token = added.mayStart(c) ? added.at(text, i) : null;
            if (token != null) {
                piece(text, start, i, hash, out);
                out.add(token.id(), i, i + token.content().length());
                i += token.content().length();
                start = i;
                hash = 0;
                continue;
            }
            if (c == ' ' && i > start && PieceRules.endsBefore(c, text.charAt(i - 1))) {
                piece(text, start, i, hash, out);
                start = i;
                hash = 0;
            }
            hash = 31 * hash + c;
            i++;
        }
        piece(text, start, i, hash, out);
    }

    private void piece(String text, int start, int end, int hash, EncodedBuilder out) {
        if (start == end) {
            return;
        }
        if (end - start > LONGEST) {
            out.add(tokenizer.encodeWithOffsets(text.substring(start, end), false), start);
            return;
        }
        int slot = (hash * 0x9E3779B9) >>> 16;
        Piece piece = remembered[slot];
        if (piece == null || piece.text().length() != end - start || !text.startsWith(piece.text(), start)) {
            String own = text.substring(start, end);
            piece = new Piece(own, tokenizer.encodeWithOffsets(own, false));
            remembered[slot] = piece;
        }
        out.add(piece.encoded(), start);
    }
}
