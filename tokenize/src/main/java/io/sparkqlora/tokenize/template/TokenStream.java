// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import io.sparkqlora.tokenize.template.Token.Type;
import java.util.List;

/** The tokens of a template, read one after the other. */
final class TokenStream {

    private final List<Token> tokens;
    private int at;

    TokenStream(List<Token> tokens) {
        this.tokens = tokens;
        failIfBroken();
    }

    private void failIfBroken() {
        if (current().type() == Type.ERROR) {
            throw (TemplateException) current().value();
        }
    }

    Token current() {
        return tokens.get(at);
    }

    Token look() {
        return tokens.get(Math.min(at + 1, tokens.size() - 1));
    }

    Token next() {
        Token token = current();
        if (at < tokens.size() - 1) {
            at++;
            failIfBroken();
        }
        return token;
    }

    boolean is(Type type) {
        return current().type() == type;
    }

    boolean isName(String name) {
        return current().isName(name);
    }

    boolean skipIf(Type type) {
        boolean skip = is(type);
        if (skip) {
            next();
        }
        return skip;
    }

    boolean skipIfName(String name) {
        boolean skip = isName(name);
        if (skip) {
            next();
        }
        return skip;
    }

    Token expect(Type type) {
        return expect(is(type), type.text());
    }

    Token expectName(String name) {
        return expect(isName(name), name);
    }

    private Token expect(boolean holds, String wanted) {
        if (holds) {
            return next();
        }
        Token token = current();
        throw new TemplateException(
                token.type() == Type.EOF
                        ? "unexpected end of template, expected " + Repr.repr(wanted) + "."
                        : "expected token " + Repr.repr(wanted) + ", got " + Repr.repr(token.describe()),
                token.line());
    }

    TemplateException error(String message) {
        return new TemplateException(message, current().line());
    }
}
