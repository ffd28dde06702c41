// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import io.sparkqlora.tokenize.template.Operators.Comparison;
import io.sparkqlora.tokenize.template.Operators.Operand;
import io.sparkqlora.tokenize.template.Token.Type;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Parses expressions, from the loosest binding operator to the tightest. */
final class ExpressionParser {

    private static final Map<Type, Comparison> COMPARISONS = Map.of(
            Type.EQ, Comparison.EQ,
            Type.NE, Comparison.NE,
            Type.LT, Comparison.LT,
            Type.LTEQ, Comparison.LE,
            Type.GT, Comparison.GT,
            Type.GTEQ, Comparison.GE);
    private static final Set<Type> PRODUCTS = Set.of(Type.MUL, Type.DIV, Type.FLOORDIV, Type.MOD);

    private final TokenStream stream;
    private final NameUse names;
    private final PrimaryParser primary;

    ExpressionParser(TokenStream stream, NameUse names) {
        this.stream = stream;
        this.names = names;
        this.primary = new PrimaryParser(stream, names, this);
    }

    /** An expression, or a tuple without parentheses. */
    Expression tuple(boolean withConditional, String endName) {
        return tuple(withConditional, endName, false);
    }

    Expression tuple(boolean withConditional, String endName, boolean parentheses) {
        List<Expression> items = new ArrayList<>();
        boolean isTuple = false;
        while (true) {
            if (!items.isEmpty()) {
                stream.expect(Type.COMMA);
            }
            if (isTupleEnd(endName)) {
                break;
            }
            items.add(withConditional ? expression() : or());
            if (!stream.is(Type.COMMA)) {
                break;
            }
            isTuple = true;
        }
        if (!isTuple && !items.isEmpty()) {
            return items.get(0);
        }
        if (!isTuple && !parentheses) {
            throw stream.error(
                    "Expected an expression, got " + Repr.repr(stream.current().describe()));
        }
        return new Literals.TupleLiteral(items);
    }

    private boolean isTupleEnd(String endName) {
        return stream.is(Type.VARIABLE_END)
                || stream.is(Type.BLOCK_END)
                || stream.is(Type.RPAREN)
                || (endName != null && stream.isName(endName));
    }

    Expression expression() {
        int mark = names.mark();
        int line = stream.current().line();
        Expression value = or();
        while (stream.skipIfName("if")) {
            Expression test = or();
            Expression otherwise = stream.skipIfName("else") ? expression() : null;
            // a filter that doesn't exist fails here only if it is reached
            names.forgiveUnknown(mark);
            value = new Operators.Conditional(test, value, otherwise, line);
            line = stream.current().line();
        }
        return value;
    }

    Expression or() {
        Expression left = and();
        while (stream.skipIfName("or")) {
            left = new Operators.Or(left, and());
        }
        return left;
    }

    private Expression and() {
        Expression left = not();
        while (stream.skipIfName("and")) {
            left = new Operators.And(left, not());
        }
        return left;
    }

    private Expression not() {
        return stream.skipIfName("not") ? new Operators.Not(not()) : comparison();
    }

    private Expression comparison() {
        Expression first = sum();
        List<Operand> rest = new ArrayList<>();
        for (Comparison comparison = comparator(); comparison != null; comparison = comparator()) {
            rest.add(new Operand(comparison, sum()));
        }
        return rest.isEmpty() ? first : new Operators.Compare(first, rest);
    }

    /** The comparison at hand, skipped; null if there is none. */
    private Comparison comparator() {
        Comparison comparison = COMPARISONS.get(stream.current().type());
        if (comparison != null) {
            stream.next();
            return comparison;
        }
        if (stream.skipIfName("in")) {
            return Comparison.IN;
        }
        if (stream.isName("not") && stream.look().isName("in")) {
            stream.next();
            stream.next();
            return Comparison.NOT_IN;
        }
        return null;
    }

    private Expression sum() {
        Expression left = concat();
        while (stream.is(Type.ADD) || stream.is(Type.SUB)) {
            left = new Operators.Binary(stream.next().type().text(), left, concat());
        }
        return left;
    }

    private Expression concat() {
        List<Expression> parts = new ArrayList<>();
        parts.add(product());
        while (stream.skipIf(Type.TILDE)) {
            parts.add(product());
        }
        return parts.size() == 1 ? parts.get(0) : new Operators.Concat(parts);
    }

    private Expression product() {
        Expression left = power();
        while (PRODUCTS.contains(stream.current().type())) {
            left = new Operators.Binary(stream.next().type().text(), left, power());
        }
        return left;
    }

    /** jinja2 groups a ** b ** c from the left, unlike Python. */
    private Expression power() {
        Expression left = unary(true);
        while (stream.skipIf(Type.POW)) {
            left = new Operators.Binary("**", left, unary(true));
        }
        return left;
    }

    Expression unary(boolean withFilter) {
        Expression value;
        if (stream.is(Type.SUB) || stream.is(Type.ADD)) {
            boolean negative = stream.next().type() == Type.SUB;
            value = new Operators.Unary(negative, unary(false));
        } else {
            value = primary.primary();
        }
        value = primary.postfix(value);
        return withFilter ? primary.filters(value) : value;
    }
}
