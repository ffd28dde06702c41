// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.internal;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Which tokenizers never look across a space that follows a character which isn't white space, so that their text may be cut
 * before it: byte-level BPE whose regular expressions are put together from the alternatives below (GPT-2, cl100k, o200k,
 * Llama 3, Qwen 2 and 3, SmolLM). None of these matches a character and a space after it, none looks back, and the one that
 * looks ahead only asks whether white space goes on. That holds whatever version of Unicode the expressions go by.
 *
 * <p>SentencePiece models (Llama 2, Mistral, Gemma) aren't among them: their merges run over the whole text.
 */
final class PieceRules {

    private static final String OTHER = " ?[^\\s\\p{L}\\p{N}]+";
    private static final String LEAD = "[^\\r\\n\\p{L}\\p{N}]?";
    private static final String UPPER = "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]";
    private static final String LOWER = "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]";
    private static final String CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";

    private static final Set<String> LETTERS = Set.of(" ?\\p{L}+", LEAD + "\\p{L}+", LEAD + "+\\p{L}+");

    /** Cased words; the two of a pair together match every letter. */
    private static final List<Set<String>> CASED = List.of(
            Set.of(LEAD + UPPER + "*" + LOWER + "+", LEAD + UPPER + "*" + LOWER + "+" + CONTRACTION + "?"),
            Set.of(LEAD + UPPER + "+" + LOWER + "*", LEAD + UPPER + "+" + LOWER + "*" + CONTRACTION + "?"));

    private static final Set<String> NUMBERS = Set.of(" ?\\p{N}+", "\\p{N}", "\\p{N}{1,3}");
    private static final Set<String> OTHERS =
            Set.of(OTHER, OTHER + "[\\r\\n]*", OTHER + "+[\\r\\n]*", OTHER + "[\\r\\n/]*");
    private static final Set<String> SPACE = Set.of("\\s+");
    private static final Set<String> PARTIAL = Set.of(
            "'s",
            "'t",
            "'re",
            "'ve",
            "'m",
            "'ll",
            "'d",
            CONTRACTION,
            "'(?i:[sdmt]|ll|ve|re)",
            "\\s*[\\r\\n]+",
            "\\s*[\\r\\n]",
            "\\s+(?!\\S)");

    private PieceRules() {}

    /** Whether a text may be cut between two characters; holds for a space after what is surely no white space. */
    static boolean endsBefore(char next, char last) {
        if (next != ' ') {
            return false;
        }
        return last < 0x7F
                ? last > ' '
                : Character.isDefined(last)
                        && !Character.isSpaceChar(last)
                        && !Character.isISOControl(last)
                        && !Character.isSurrogate(last)
                        // U+180E was white space once
                        && Character.getType(last) != Character.FORMAT;
    }

    /** Whether the rules hold for a parsed tokenizer.json. */
    static boolean hold(JsonNode tokenizer) {
        JsonNode model = tokenizer.path("model");
        boolean bpe = model.path("type").asText().equals("BPE")
                && (model.path("dropout").isMissingNode()
                        || model.path("dropout").isNull());
        // NFC composes nothing with a space, nor with what isn't there
        boolean normal = isNull(tokenizer.path("normalizer"))
                || type(tokenizer.path("normalizer")).equals("NFC");
        return bpe
                && normal
                && preTokenizes(flat(tokenizer.path("pre_tokenizer"), "pretokenizers"))
                && flat(tokenizer.path("post_processor"), "processors").stream().allMatch(PieceRules::postProcesses)
                && addedTokens(tokenizer.path("added_tokens"));
    }

    private static boolean isNull(JsonNode node) {
        return node.isMissingNode() || node.isNull();
    }

    private static String type(JsonNode node) {
        return node.path("type").asText();
    }

    /** The steps of a Sequence, or the only one, or none. */
    private static List<JsonNode> flat(JsonNode step, String children) {
        if (isNull(step)) {
            return List.of();
        }
        if (!type(step).equals("Sequence")) {
            return List.of(step);
        }
        List<JsonNode> steps = new ArrayList<>();
        step.path(children).forEach(child -> steps.addAll(flat(child, children)));
        return steps;
    }

    /** Every step keeps to the rules, and one of them splits all text. */
    private static boolean preTokenizes(List<JsonNode> steps) {
        boolean splits = false;
        boolean bytes = false;
        for (JsonNode step : steps) {
            switch (type(step)) {
                case "Digits" -> {}
                case "ByteLevel" -> {
                    if (step.path("add_prefix_space").asBoolean(true)) {
                        return false;
                    }
                    splits |= step.path("use_regex").asBoolean(true);
                    bytes = true;
                }
                case "Split" -> {
                    if (bytes || !isolates(step) || !known(alternatives(step))) {
                        return false;
                    }
                    splits |= complete(alternatives(step));
                }
                default -> {
                    return false;
                }
            }
        }
        return splits && bytes;
    }

    private static boolean isolates(JsonNode split) {
        return split.path("behavior").asText().equals("Isolated")
                && !split.path("invert").asBoolean();
    }

    private static Set<String> alternatives(JsonNode split) {
        Set<String> alternatives = new HashSet<>();
        String regex = split.path("pattern").path("Regex").asText();
        int depth = 0;
        int start = 0;
        for (int i = 0; i < regex.length(); i++) {
            char c = regex.charAt(i);
            depth += c == '(' ? 1 : c == ')' ? -1 : 0;
            if (c == '|' && depth == 0) {
                alternatives.add(regex.substring(start, i));
                start = i + 1;
            }
        }
        alternatives.add(regex.substring(start));
        return alternatives;
    }

    private static boolean known(Set<String> alternatives) {
        return alternatives.stream()
                .allMatch(each -> PARTIAL.contains(each)
                        || LETTERS.contains(each)
                        || CASED.get(0).contains(each)
                        || CASED.get(1).contains(each)
                        || NUMBERS.contains(each)
                        || OTHERS.contains(each)
                        || SPACE.contains(each));
    }

    /** Whether every character is matched by some alternative, so that no stretch of text is left unsplit. */
    private static boolean complete(Set<String> alternatives) {
        boolean letters = meet(alternatives, LETTERS) || CASED.stream().allMatch(half -> meet(alternatives, half));
        return letters && meet(alternatives, NUMBERS) && meet(alternatives, OTHERS) && meet(alternatives, SPACE);
    }

    private static boolean meet(Set<String> a, Set<String> b) {
        return !Collections.disjoint(a, b);
    }

    /** Steps that treat each token by itself; trimming that depends on a text's first token doesn't. */
    private static boolean postProcesses(JsonNode step) {
        boolean trims = step.path("trim_offsets").asBoolean(true)
                && step.path("add_prefix_space").asBoolean(true);
        return type(step).equals("TemplateProcessing") || (type(step).equals("ByteLevel") && !trims);
    }

    /** Added tokens take no white space or word boundary around them into account, and no cut goes through one. */
    private static boolean addedTokens(JsonNode tokens) {
        for (JsonNode token : tokens) {
            if (token.path("lstrip").asBoolean()
                    || token.path("rstrip").asBoolean()
                    || token.path("single_word").asBoolean()
                    || hasCut(token.path("content").asText())) {
                return false;
            }
        }
        return true;
    }

    private static boolean hasCut(String content) {
        for (int i = 1; i < content.length(); i++) {
            if (endsBefore(content.charAt(i), content.charAt(i - 1))) {
                return true;
            }
        }
        return false;
    }
}
