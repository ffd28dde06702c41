// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import io.sparkqlora.tokenize.template.Token.Type;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Parses what an assignment or a loop binds. */
final class TargetParser {

    private static final Set<String> CONSTANTS = Set.of("true", "True", "false", "False", "none", "None");

    private final TokenStream stream;

    TargetParser(TokenStream stream) {
        this.stream = stream;
    }

    /** One or more names with commas between; {@code endName} ends them. */
    Target target(String endName, boolean withNamespace) {
        List<Target> targets = new ArrayList<>();
        boolean isTuple = false;
        while (true) {
            if (!targets.isEmpty()) {
                stream.expect(Type.COMMA);
            }
            if (isEnd(endName)) {
                break;
            }
            targets.add(single(withNamespace));
            if (!stream.is(Type.COMMA)) {
                break;
            }
            isTuple = true;
        }
        if (targets.isEmpty()) {
            throw stream.error(
                    "Expected an expression, got " + Repr.repr(stream.current().describe()));
        }
        return isTuple ? new Target.Unpack(targets) : targets.get(0);
    }

    private boolean isEnd(String endName) {
        return stream.is(Type.VARIABLE_END)
                || stream.is(Type.BLOCK_END)
                || stream.is(Type.RPAREN)
                || (endName != null && stream.isName(endName));
    }

    private Target single(boolean withNamespace) {
        Token token = stream.current();
        if (stream.skipIf(Type.LPAREN)) {
            Target inner = target(null, withNamespace);
            stream.expect(Type.RPAREN);
            return inner;
        }
        if (token.type() != Type.NAME) {
            throw notAssignable(token);
        }
        stream.next();
        String name = (String) token.value();
        if (CONSTANTS.contains(name)) {
            throw new TemplateException("can't assign to 'const'", token.line());
        }
        if (withNamespace && stream.skipIf(Type.DOT)) {
            return new Target.NamespaceAttribute(
                    name, (String) stream.expect(Type.NAME).value());
        }
        return new Target.Variable(name);
    }

    private TemplateException notAssignable(Token token) {
        String kind =
                switch (token.type()) {
                    case STRING, INTEGER, FLOAT -> "const";
                    case LBRACKET -> "list";
                    case LBRACE -> "dict";
                    default -> null;
                };
        return kind == null
                ? stream.error("unexpected " + Repr.repr(token.describe()))
                : stream.error("can't assign to '" + kind + "'");
    }

    static void refuseLoop(Target target, int line) {
        boolean loop =
                target instanceof Target.Variable variable && variable.name().equals("loop");
        if (loop) {
            throw new TemplateException("Can't assign to special loop variable in for-loop target", line);
        }
        if (target instanceof Target.Unpack unpack) {
            unpack.targets().forEach(each -> refuseLoop(each, line));
        }
    }
}
