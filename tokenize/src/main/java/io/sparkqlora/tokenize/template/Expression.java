// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/** An expression of the template language; null is Python's None. */
sealed interface Expression
        permits Literals.Constant,
                Literals.ListLiteral,
                Literals.TupleLiteral,
                Literals.DictLiteral,
                Access.Name,
                Access.Attribute,
                Access.Item,
                Access.Slice,
                Access.Call,
                Access.FilterCall,
                Access.TestCall,
                Operators.Not,
                Operators.And,
                Operators.Or,
                Operators.Compare,
                Operators.Binary,
                Operators.Unary,
                Operators.Concat,
                Operators.Conditional {

    Object evaluate(Scope scope);

    static boolean isTrue(Expression expression, Scope scope) {
        return Values.isTrue(expression.evaluate(scope));
    }
}
