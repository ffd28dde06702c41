// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Constants, lists, tuples and dicts written in a template. */
final class Literals {

    private Literals() {}

    record Constant(Object value) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return value;
        }
    }

    record ListLiteral(List<Expression> items) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return evaluateAll(items, scope);
        }
    }

    record TupleLiteral(List<Expression> items) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return new Tuple(evaluateAll(items, scope));
        }
    }

    record Pair(Expression key, Expression value) {}

    record DictLiteral(List<Pair> pairs) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            Map<Object, Object> dict = new LinkedHashMap<>();
            for (Pair pair : pairs) {
                Object key = Dicts.key(pair.key.evaluate(scope));
                Dicts.put(dict, key, pair.value.evaluate(scope));
            }
            return dict;
        }
    }

    static List<Object> evaluateAll(List<Expression> expressions, Scope scope) {
        List<Object> values = new ArrayList<>(expressions.size());
        for (Expression expression : expressions) {
            values.add(expression.evaluate(scope));
        }
        return values;
    }
}
