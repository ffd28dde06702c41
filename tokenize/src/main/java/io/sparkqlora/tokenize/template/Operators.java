// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.List;

/** Logic, comparisons and arithmetic. */
final class Operators {

    private Operators() {}

    record Not(Expression operand) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return !Expression.isTrue(operand, scope);
        }
    }

    record And(Expression left, Expression right) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            Object value = left.evaluate(scope);
            return Values.isTrue(value) ? right.evaluate(scope) : value;
        }
    }

    record Or(Expression left, Expression right) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            Object value = left.evaluate(scope);
            return Values.isTrue(value) ? value : right.evaluate(scope);
        }
    }

    enum Comparison {
        EQ,
        NE,
        LT,
        LE,
        GT,
        GE,
        IN,
        NOT_IN
    }

    record Operand(Comparison comparison, Expression value) {}

    /** A chain of comparisons, as in {@code 0 < x <= 3}. */
    record Compare(Expression first, List<Operand> rest) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            Object left = first.evaluate(scope);
            for (Operand operand : rest) {
                Object right = operand.value.evaluate(scope);
                if (!Comparisons.compare(operand.comparison, left, right)) {
                    return false;
                }
                left = right;
            }
            return true;
        }
    }

    record Binary(String operator, Expression left, Expression right) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return Arithmetic.binary(operator, left.evaluate(scope), right.evaluate(scope));
        }
    }

    record Unary(boolean negative, Expression operand) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return Arithmetic.unary(negative, operand.evaluate(scope));
        }
    }

    record Concat(List<Expression> parts) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            StringBuilder out = new StringBuilder();
            for (Expression part : parts) {
                out.append(Repr.str(part.evaluate(scope)));
                Limits.text(out.length());
            }
            return out.toString();
        }
    }

    /** {@code value if test else otherwise}; {@code otherwise} may be null. */
    record Conditional(Expression test, Expression value, Expression otherwise, int line) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            if (isTrue(scope)) {
                return value.evaluate(scope);
            }
            return otherwise != null
                    ? otherwise.evaluate(scope)
                    : Undefined.hint("the inline if-expression on line " + line
                            + " evaluated to false and no else section was defined.");
        }

        private boolean isTrue(Scope scope) {
            return Expression.isTrue(test, scope);
        }
    }
}
