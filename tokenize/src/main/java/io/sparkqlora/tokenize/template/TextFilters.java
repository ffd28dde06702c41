// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Filters on text. What isn't text counts as its printed form; markup stays markup. */
final class TextFilters {

    static final Map<String, Filter> FILTERS = new HashMap<>();

    private static final Signature REPLACE = new Signature("do_replace", "s", "old", "new", "count?");
    private static final Signature TRIM = new Signature("do_trim", "value", "chars?");
    private static final Signature INDENT = new Signature("do_indent", "s", "width?", "first?", "blank?");
    private static final Signature CENTER = new Signature("do_center", "value", "width?");
    private static final Signature TRUNCATE =
            new Signature("do_truncate", "s", "length?", "killwords?", "end?", "leeway?");
    private static final Signature TOJSON =
            new Signature("tojson", "x", "ensure_ascii?", "indent?", "separators?", "sort_keys?");

    static {
        simple("upper", "do_upper", Text::upper);
        simple("lower", "do_lower", Text::lower);
        simple("capitalize", "do_capitalize", Text::capitalize);
        Signature title = new Signature("do_title", "s");
        FILTERS.put("title", (input, arguments) -> {
            title.bind(input, arguments);
            return title(Repr.str(input));
        });
        simple("string", "soft_str", text -> text);
        FILTERS.put("trim", TextFilters::trim);
        FILTERS.put("replace", TextFilters::replace);
        FILTERS.put("indent", TextFilters::indent);
        FILTERS.put("center", (input, arguments) -> {
            Signature.Bound bound = CENTER.bind(input, arguments);
            return soft(input, text -> Padding.center(text, bound.integer("width", 80), " "));
        });
        FILTERS.put("truncate", TextFilters::truncate);
        FILTERS.put("wordcount", (input, arguments) -> wordCount(Repr.str(input)));
        FILTERS.put("format", TextFilters::format);
        FILTERS.put("tojson", TextFilters::tojson);
        FILTERS.put("safe", (input, arguments) -> new Markup(Repr.str(input)));
        FILTERS.put("escape", (input, arguments) -> Markup.escape(input));
        FILTERS.put("e", (input, arguments) -> Markup.escape(input));
    }

    private TextFilters() {}

    private static void simple(String name, String function, UnaryOperator<String> change) {
        Signature signature = new Signature(function, "s");
        FILTERS.put(name, (input, arguments) -> {
            signature.bind(input, arguments);
            return soft(input, change);
        });
    }

    private static Object soft(Object input, UnaryOperator<String> change) {
        String changed = change.apply(Repr.str(input));
        return input instanceof Markup ? new Markup(changed) : changed;
    }

    private static Object trim(Object input, Arguments arguments) {
        Object chars = TRIM.bind(input, arguments).get("chars", null);
        if (chars != null && !(chars instanceof String) && !(chars instanceof Markup)) {
            throw new TemplateException("strip arg must be None or str");
        }
        String set = chars == null ? null : Repr.str(chars);
        return soft(input, text -> Text.strip(text, set, true, true));
    }

    private static Object replace(Object input, Arguments arguments) {
        Signature.Bound bound = REPLACE.bind(input, arguments);
        Object count = bound.get("count", null);
        return StringMethods.replace(
                Repr.str(input),
                Repr.str(bound.get("old")),
                Repr.str(bound.get("new")),
                count == null ? -1 : Types.index(count));
    }

    private static String title(String text) {
        StringBuilder out = new StringBuilder();
        boolean start = true;
        for (int c : text.codePoints().toArray()) {
            boolean separator = "-({[<".indexOf(c) >= 0 || Text.isSpace(c);
            String character = Character.toString(c);
            out.append(separator ? character : start ? Text.upper(character) : Text.lower(character));
            start = separator;
        }
        return out.toString();
    }

    private static Object indent(Object input, Arguments arguments) {
        Signature.Bound bound = INDENT.bind(input, arguments);
        Object width = bound.get("width", 4L);
        String blanks = width instanceof String text ? text : " ".repeat((int) Math.max(0, Types.index(width)));
        if (!(input instanceof String) && !(input instanceof Markup)) {
            throw unsupportedIndent(input);
        }
        boolean all = bound.isTrue("blank");
        return soft(input, text -> {
            String lines = indented(Splits.lines(text + "\n", false), blanks, all);
            Limits.text(lines.length());
            return bound.isTrue("first") ? blanks + lines : lines;
        });
    }

    private static TemplateException unsupportedIndent(Object input) {
        if (input instanceof Undefined undefined) {
            return undefined.error();
        }
        return new TemplateException(
                input instanceof List && !(input instanceof Tuple) && !(input instanceof Range)
                        ? "'list' object has no attribute 'splitlines'"
                        : "unsupported operand type(s) for +=: '" + Types.name(input) + "' and 'str'");
    }

    private static String indented(List<Object> lines, String blanks, boolean all) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < lines.size(); i++) {
            String line = (String) lines.get(i);
            out.append(i == 0 ? "" : "\n")
                    .append(i > 0 && (all || !line.isEmpty()) ? blanks : "")
                    .append(line);
        }
        return out.toString();
    }

    private static Object truncate(Object input, Arguments arguments) {
        Signature.Bound bound = TRUNCATE.bind(input, arguments);
        if (Values.length(input) <= bound.integer("length", 255) && !(input instanceof String)) {
            return input;
        }
        String text = Types.text(input, "the text of truncate");
        String end = Types.text(bound.get("end", "..."), "the end of truncate");
        long length = bound.integer("length", 255);
        long keep = length - Text.length(end);
        if (keep < 0) {
            throw new TemplateException("expected length >= " + Text.length(end) + ", got " + length);
        }
        if (Text.length(text) <= length + (bound.get("leeway", null) == null ? 5 : bound.integer("leeway", 5))) {
            return input;
        }
        String cut = text.substring(0, text.offsetByCodePoints(0, (int) keep));
        int blank = cut.lastIndexOf(' ');
        return (bound.isTrue("killwords") || blank < 0 ? cut : cut.substring(0, blank)) + end;
    }

    private static Object wordCount(String text) {
        return java.util.regex.Pattern.compile("\\w+", java.util.regex.Pattern.UNICODE_CHARACTER_CLASS)
                .matcher(text)
                .results()
                .count();
    }

    private static Object format(Object input, Arguments arguments) {
        if (!arguments.positional().isEmpty() && !arguments.named().isEmpty()) {
            throw new TemplateException("can't handle positional and keyword arguments at the same time");
        }
        Object values =
                arguments.named().isEmpty() ? new Tuple(new ArrayList<>(arguments.positional())) : arguments.named();
        return PercentFormat.format(Repr.str(input), values);
    }

    /** As transformers has it: no HTML escapes, and with the options of {@code json.dumps}. */
    private static Object tojson(Object input, Arguments arguments) {
        Signature.Bound bound = TOJSON.bind(input, arguments);
        Object indent = bound.get("indent", null);
        Object separators = bound.get("separators", null);
        List<Object> pair = separators == null ? List.of(indent == null ? ", " : ",", ": ") : Values.toList(separators);
        if (pair.size() != 2) {
            throw new TemplateException(
                    pair.size() < 2
                            ? "not enough values to unpack (expected 2, got " + pair.size() + ")"
                            : "too many values to unpack (expected 2)");
        }
        String step = indent == null || indent instanceof String
                ? (String) indent
                : " ".repeat((int) Math.max(0, Types.index(indent)));
        return new Json(
                        bound.isTrue("ensure_ascii"),
                        step,
                        Repr.str(pair.get(0)),
                        Repr.str(pair.get(1)),
                        bound.isTrue("sort_keys"))
                .write(input);
    }
}
