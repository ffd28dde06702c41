// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import io.sparkqlora.tokenize.template.Token.Type;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Cuts a template into tokens, with the settings of chat templates: {@code trim_blocks} (the newline after a block is
 * dropped) and {@code lstrip_blocks} (blanks before a block that starts its line are dropped).
 */
final class Lexer {

    private final String source;
    private final List<Token> tokens = new ArrayList<>();
    private int position;
    private int line = 1;
    private int counted;

    private Lexer(String source) {
        this.source = source;
    }

    static List<Token> tokenize(String source) {
        String text = source.replace("\r\n", "\n").replace('\r', '\n');
        Lexer lexer = new Lexer(text.endsWith("\n") ? text.substring(0, text.length() - 1) : text);
        try {
            lexer.run();
        } catch (TemplateException e) {
            // what the parser finds wrong before it gets here is reported first, as in jinja2
            lexer.tokens.add(new Token(Type.ERROR, e, e.line()));
        }
        return lexer.tokens;
    }

    private void run() {
        while (position < source.length()) {
            int tag = nextTag(position);
            if (tag < 0) {
                addData(source.substring(position), position);
                position = source.length();
            } else {
                tag(tag);
            }
        }
        countLines(source.length());
        tokens.add(new Token(Type.EOF, null, line));
    }

    private int nextTag(int from) {
        for (int i = source.indexOf('{', from); i >= 0 && i + 1 < source.length(); i = source.indexOf('{', i + 1)) {
            char next = source.charAt(i + 1);
            if (next == '%' || next == '{' || next == '#') {
                return i;
            }
        }
        return -1;
    }

    private void tag(int tag) {
        char kind = source.charAt(tag + 1);
        char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
        boolean signed = sign == '-' || sign == '+';
        addData(before(tag, signed ? sign : ' ', kind != '{'), position);
        countLines(tag);
        position = tag + (signed ? 3 : 2);
        if (kind == '#') {
            comment();
        } else if (kind == '{') {
            inside(Type.VARIABLE_BEGIN, "}}", Type.VARIABLE_END);
        } else if (!raw()) {
            inside(Type.BLOCK_BEGIN, "%}", Type.BLOCK_END);
        }
    }

    /** The data before a tag, as its sign and lstrip_blocks leave it. */
    private String before(int tag, char sign, boolean lstrip) {
        String text = source.substring(position, tag);
        if (sign == '-') {
            return Text.rstrip(text);
        }
        if (sign == '+' || !lstrip) {
            return text;
        }
        int start = text.lastIndexOf('\n') + 1;
        boolean atLineStart = start > 0 || position == 0 || source.charAt(position - 1) == '\n';
        return atLineStart && start < text.length() && Text.isBlank(text, start) ? text.substring(0, start) : text;
    }

    private void comment() {
        int end = source.indexOf("#}", position);
        if (end < 0) {
            throw error("Missing end of comment tag");
        }
        char sign = end > position ? source.charAt(end - 1) : ' ';
        position = end + 2;
        afterBlock(sign);
    }

    /** What a block's or comment's end takes with it: all blanks after a minus, one newline without a sign. */
    private void afterBlock(char sign) {
        if (sign == '-') {
            position = Text.skipBlanks(source, position);
        } else if (sign != '+' && position < source.length() && source.charAt(position) == '\n') {
            position++;
        }
    }

    private boolean raw() {
        int at = Text.skipBlanks(source, position);
        if (!source.startsWith("raw", at)) {
            return false;
        }
        at = Text.skipBlanks(source, at + 3);
        boolean minus = source.startsWith("-%}", at);
        if (!minus && !source.startsWith("%}", at)) {
            return false;
        }
        position = minus ? Text.skipBlanks(source, at + 3) : at + 2;
        countLines(position);
        rawBody();
        return true;
    }

    private void rawBody() {
        for (int tag = source.indexOf("{%", position); tag >= 0; tag = source.indexOf("{%", tag + 2)) {
            char sign = tag + 2 < source.length() ? source.charAt(tag + 2) : ' ';
            boolean signed = sign == '-' || sign == '+';
            int at = Text.skipBlanks(source, tag + (signed ? 3 : 2));
            if (!source.startsWith("endraw", at)) {
                continue;
            }
            at = Text.skipBlanks(source, at + 6);
            char endSign = at < source.length() ? source.charAt(at) : ' ';
            boolean endSigned = endSign == '-' || endSign == '+';
            if (source.startsWith("%}", endSigned ? at + 1 : at)) {
                addData(before(tag, signed ? sign : ' ', true), position);
                position = at + (endSigned ? 3 : 2);
                afterBlock(endSign);
                return;
            }
        }
        throw error("Missing end of raw directive");
    }

    /** The tokens of one tag, up to and with its end. */
    private void inside(Type begin, String end, Type endType) {
        tokens.add(new Token(begin, null, line));
        Deque<Character> open = new ArrayDeque<>();
        Scanner scanner = new Scanner(source);
        while (true) {
            position = Text.skipBlanks(source, position);
            countLines(position);
            if (position >= source.length()) {
                return;
            }
            if (open.isEmpty() && closes(end, endType)) {
                return;
            }
            Token token = scanner.next(position, line);
            balance(token.type(), open);
            tokens.add(token);
            position = scanner.end();
        }
    }

    private boolean closes(String end, Type endType) {
        char sign = source.charAt(position);
        boolean signed = sign == '-' || (sign == '+' && endType == Type.BLOCK_END);
        if (!source.startsWith(end, signed ? position + 1 : position)) {
            return false;
        }
        tokens.add(new Token(endType, null, line));
        position += signed ? 3 : 2;
        if (endType == Type.BLOCK_END) {
            afterBlock(sign);
        } else if (sign == '-') {
            position = Text.skipBlanks(source, position);
        }
        return true;
    }

    private void balance(Type type, Deque<Character> open) {
        switch (type) {
            case LBRACE -> open.push('}');
            case LPAREN -> open.push(')');
            case LBRACKET -> open.push(']');
            case RBRACE, RPAREN, RBRACKET -> {
                if (open.isEmpty()) {
                    throw error("unexpected '" + type.text() + "'");
                }
                char expected = open.pop();
                if (expected != type.text().charAt(0)) {
                    throw error("unexpected '" + type.text() + "', expected '" + expected + "'");
                }
            }
            default -> {}
        }
    }

    private void addData(String data, int at) {
        countLines(at);
        if (!data.isEmpty()) {
            tokens.add(new Token(Type.DATA, data, line));
        }
    }

    private void countLines(int until) {
        for (; counted < until; counted++) {
            if (source.charAt(counted) == '\n') {
                line++;
            }
        }
    }

    private TemplateException error(String message) {
        return new TemplateException(message, line);
    }
}
