// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/** A statement of the template language. */
sealed interface Statement
        permits Statements.Data,
                Statements.Print,
                Statements.If,
                Statements.SetValue,
                Statements.SetBlock,
                Statements.FilterBlock,
                Statements.With,
                Statements.Jump,
                ForLoop,
                Macros.Definition,
                Macros.CallBlock,
                Macros.Generation {

    /** How a statement ended. */
    enum Outcome {
        NEXT,
        BREAK,
        CONTINUE
    }

    Outcome execute(Scope scope, Output out);

    int line();

    static Outcome executeAll(java.util.List<Statement> body, Scope scope, Output out) {
        for (Statement statement : body) {
            scope.render().line(statement.line());
            Outcome outcome = statement.execute(scope, out);
            if (outcome != Outcome.NEXT) {
                return outcome;
            }
        }
        return Outcome.NEXT;
    }
}
