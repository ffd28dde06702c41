// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import io.sparkqlora.tokenize.template.Access.ArgumentList;
import io.sparkqlora.tokenize.template.Access.FilterCall;
import io.sparkqlora.tokenize.template.Access.Keyword;
import io.sparkqlora.tokenize.template.Token.Type;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/** Parses names, literals, and what follows them: attributes, items, calls, filters, tests. */
final class PrimaryParser {

    private static final Set<Type> TEST_ARGUMENT =
            Set.of(Type.NAME, Type.STRING, Type.INTEGER, Type.FLOAT, Type.LPAREN, Type.LBRACKET, Type.LBRACE);

    private final TokenStream stream;
    private final NameUse names;
    private final ExpressionParser expressions;

    PrimaryParser(TokenStream stream, NameUse names, ExpressionParser expressions) {
        this.stream = stream;
        this.names = names;
        this.expressions = expressions;
    }

    Expression primary() {
        Token token = stream.current();
        switch (token.type()) {
            case NAME:
                return name(stream.next());
            case STRING:
                return strings();
            case INTEGER, FLOAT:
                return new Literals.Constant(stream.next().value());
            case LPAREN:
                stream.next();
                Expression inner = expressions.tuple(true, null, true);
                stream.expect(Type.RPAREN);
                return inner;
            case LBRACKET:
                return new Literals.ListLiteral(items(Type.LBRACKET, Type.RBRACKET));
            case LBRACE:
                return dict();
            default:
                throw stream.error("unexpected " + Repr.repr(token.describe()));
        }
    }

    private Expression name(Token token) {
        String name = (String) token.value();
        return switch (name) {
            case "true", "True" -> new Literals.Constant(true);
            case "false", "False" -> new Literals.Constant(false);
            case "none", "None" -> new Literals.Constant(null);
            default -> {
                names.load(name);
                yield new Access.Name(name, token.line());
            }
        };
    }

    /** Strings that stand side by side are one. */
    private Expression strings() {
        StringBuilder text = new StringBuilder();
        while (stream.is(Type.STRING)) {
            text.append(stream.next().value());
        }
        return new Literals.Constant(text.toString());
    }

    private List<Expression> items(Type open, Type close) {
        stream.expect(open);
        List<Expression> items = new ArrayList<>();
        while (!stream.is(close)) {
            if (!items.isEmpty()) {
                stream.expect(Type.COMMA);
            }
            if (stream.is(close)) {
                break;
            }
            items.add(expressions.expression());
        }
        stream.expect(close);
        return items;
    }

    private Expression dict() {
        stream.expect(Type.LBRACE);
        List<Literals.Pair> pairs = new ArrayList<>();
        while (!stream.is(Type.RBRACE)) {
            if (!pairs.isEmpty()) {
                stream.expect(Type.COMMA);
            }
            if (stream.is(Type.RBRACE)) {
                break;
            }
            Expression key = expressions.expression();
            stream.expect(Type.COLON);
            pairs.add(new Literals.Pair(key, expressions.expression()));
        }
        stream.expect(Type.RBRACE);
        return new Literals.DictLiteral(pairs);
    }

    Expression postfix(Expression start) {
        Expression value = start;
        while (true) {
            if (stream.is(Type.DOT)) {
                value = dotted(value);
            } else if (stream.is(Type.LBRACKET)) {
                value = subscript(value);
            } else if (stream.is(Type.LPAREN)) {
                value = call(value);
            } else {
                return value;
            }
        }
    }

    /** Filters, tests and the calls between them. */
    Expression filters(Expression start) {
        Expression value = start;
        while (true) {
            if (stream.is(Type.PIPE)) {
                value = filter(value, false);
            } else if (stream.isName("is")) {
                value = test(value);
            } else if (stream.is(Type.LPAREN)) {
                value = call(value);
            } else {
                return value;
            }
        }
    }

    private Expression dotted(Expression target) {
        stream.next();
        Token attribute = stream.next();
        if (attribute.type() == Type.NAME) {
            return new Access.Attribute(target, (String) attribute.value());
        }
        if (attribute.type() != Type.INTEGER) {
            throw new TemplateException("expected name or number", attribute.line());
        }
        return new Access.Item(target, new Literals.Constant(attribute.value()));
    }

    private Expression subscript(Expression target) {
        stream.next();
        List<Expression> parts = new ArrayList<>();
        while (!stream.is(Type.RBRACKET)) {
            if (!parts.isEmpty()) {
                stream.expect(Type.COMMA);
            }
            parts.add(subscripted());
        }
        stream.expect(Type.RBRACKET);
        return new Access.Item(target, parts.size() == 1 ? parts.get(0) : new Literals.TupleLiteral(parts));
    }

    private Expression subscripted() {
        Expression start = null;
        if (!stream.is(Type.COLON)) {
            start = expressions.expression();
            if (!stream.is(Type.COLON)) {
                return start;
            }
        }
        stream.next();
        Expression stop = stream.is(Type.COLON) ? null : slicePart();
        Expression step = stream.skipIf(Type.COLON) ? slicePart() : null;
        return new Access.Slice(start, stop, step);
    }

    private Expression slicePart() {
        return stream.is(Type.RBRACKET) || stream.is(Type.COMMA) ? null : expressions.expression();
    }

    private Expression call(Expression target) {
        int line = stream.current().line();
        return new Access.Call(target, arguments(), line);
    }

    private ArgumentList arguments() {
        int line = stream.expect(Type.LPAREN).line();
        ArgumentList arguments = new ArgumentList(new ArrayList<>(), new ArrayList<>(), null, null);
        boolean first = true;
        while (!stream.is(Type.RPAREN)) {
            if (!first) {
                stream.expect(Type.COMMA);
                if (stream.is(Type.RPAREN)) {
                    break;
                }
            }
            first = false;
            arguments = argument(arguments, line);
        }
        stream.expect(Type.RPAREN);
        return arguments;
    }

    private ArgumentList argument(ArgumentList soFar, int line) {
        boolean starred = soFar.star() != null;
        boolean doubleStarred = soFar.doubleStar() != null;
        if (stream.is(Type.MUL)) {
            ensure(!starred && !doubleStarred, line);
            stream.next();
            return new ArgumentList(soFar.positional(), soFar.named(), expressions.expression(), null);
        }
        ensure(!doubleStarred, line);
        if (stream.skipIf(Type.POW)) {
            return new ArgumentList(soFar.positional(), soFar.named(), soFar.star(), expressions.expression());
        }
        if (stream.is(Type.NAME) && stream.look().type() == Type.ASSIGN) {
            String name = (String) stream.next().value();
            stream.next();
            soFar.named().add(new Keyword(name, expressions.expression()));
        } else {
            ensure(!starred && soFar.named().isEmpty(), line);
            soFar.positional().add(expressions.expression());
        }
        return soFar;
    }

    private static void ensure(boolean holds, int line) {
        if (!holds) {
            throw new TemplateException("invalid syntax for function call expression", line);
        }
    }

    /** Filters in a chain; without a pipe before the first one if it starts a filter block. */
    FilterCall filter(Expression target, boolean startInline) {
        Expression value = target;
        boolean inline = startInline;
        FilterCall filter = null;
        while (stream.is(Type.PIPE) || inline) {
            if (!inline) {
                stream.next();
            }
            inline = false;
            int line = stream.current().line();
            String name = dottedName();
            ArgumentList arguments = stream.is(Type.LPAREN) ? arguments() : ArgumentList.NONE;
            if (Filters.find(name) == null) {
                names.unknown("filter", name, line);
            }
            filter = new FilterCall(value, name, arguments, line);
            value = filter;
        }
        return filter;
    }

    private String dottedName() {
        StringBuilder name = new StringBuilder((String) stream.expect(Type.NAME).value());
        while (stream.skipIf(Type.DOT)) {
            name.append('.').append(stream.expect(Type.NAME).value());
        }
        return name.toString();
    }

    private Expression test(Expression target) {
        int line = stream.next().line();
        boolean negated = stream.skipIfName("not");
        String name = dottedName();
        ArgumentList arguments = testArguments();
        if (Tests.find(name) == null) {
            names.unknown("test", name, line);
        }
        Expression test = new Access.TestCall(target, name, arguments, line);
        return negated ? new Operators.Not(test) : test;
    }

    private ArgumentList testArguments() {
        if (stream.is(Type.LPAREN)) {
            return arguments();
        }
        boolean keyword = stream.isName("else") || stream.isName("or") || stream.isName("and");
        if (keyword || !TEST_ARGUMENT.contains(stream.current().type())) {
            return ArgumentList.NONE;
        }
        if (stream.isName("is")) {
            throw stream.error("You cannot chain multiple tests with is");
        }
        return new ArgumentList(List.of(postfix(primary())), List.of(), null, null);
    }
}
