// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize;

import io.sparkqlora.tokenize.internal.Outcome;
import java.util.Locale;

/** Why an example can't be used; in lower case it is the reason in the table of rejected rows. */
public enum RejectionReason {
    /** A conversation without messages. */
    EMPTY_CONVERSATION,
    /** A message without a role, or with one that isn't text. */
    BAD_ROLE,
    /** A message with neither content nor tool calls. */
    NULL_CONTENT,
    /** The chat template fails on the conversation, or refuses it. */
    TEMPLATE_ERROR,
    /** Nobody answers: no assistant turn, so nothing to learn. */
    NO_ASSISTANT_TURN,
    /** The template marks assistant text, but marks nothing in this conversation. */
    EMPTY_ASSISTANT_MASK,
    /** The template has no marks, and the rendering of a conversation's beginning isn't the beginning of its rendering. */
    NOT_A_PREFIX,
    /** Half of a surrogate pair, which JSON can write and UTF-8 can't. */
    INVALID_UNICODE,
    /** No token counts in the loss, or those that did were cut off. */
    NO_TARGET_TOKENS,
    /** A chosen and a rejected answer of the same tokens, or of those that are left of them: neither is better. */
    IDENTICAL_PAIR,
    /** A prompt, of which nothing can be cut off, beyond max_seq_length. */
    PROMPT_TOO_LONG,
    /** A token that the tokenizer doesn't have, or a label that is neither its token nor −100. */
    INVALID_TOKENS;

    Outcome.Rejected of(String detail) {
        return new Outcome.Rejected(name().toLowerCase(Locale.ROOT), detail);
    }
}
