// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.List;

/** Output, conditions, assignments and blocks. */
final class Statements {

    private Statements() {}

    record Data(String text, int line) implements Statement {
        @Override
        public Outcome execute(Scope scope, Output out) {
            out.append(text);
            return Outcome.NEXT;
        }
    }

    record Print(Expression value, int line) implements Statement {
        @Override
        public Outcome execute(Scope scope, Output out) {
            out.append(Repr.str(value.evaluate(scope)));
            return Outcome.NEXT;
        }
    }

    record Branch(Expression test, List<Statement> body) {}

    record If(List<Branch> branches, List<Statement> otherwise, int line) implements Statement {
        @Override
        public Outcome execute(Scope scope, Output out) {
            for (Branch branch : branches) {
                if (Expression.isTrue(branch.test, scope)) {
                    return Statement.executeAll(branch.body, scope, out);
                }
            }
            return Statement.executeAll(otherwise, scope, out);
        }
    }

    record SetValue(Target target, Expression value, int line) implements Statement {
        @Override
        public Outcome execute(Scope scope, Output out) {
            target.check(scope);
            target.assign(scope, value.evaluate(scope));
            return Outcome.NEXT;
        }
    }

    /** {@code {% set x %}…{% endset %}}; the filter may be null. */
    record SetBlock(Target target, Access.FilterCall filter, List<Statement> body, int line) implements Statement {
        @Override
        public Outcome execute(Scope scope, Output out) {
            Scope inner = scope.child();
            Output block = out.nested();
            Outcome outcome = Statement.executeAll(body, inner, block);
            if (outcome == Outcome.NEXT) {
                Object text = block.text();
                target.check(scope);
                target.assign(scope, filter == null ? text : filter.applyToBlock(block.text(), inner));
            }
            return outcome;
        }
    }

    record FilterBlock(Access.FilterCall filter, List<Statement> body, int line) implements Statement {
        @Override
        public Outcome execute(Scope scope, Output out) {
            Scope inner = scope.child();
            Output block = out.nested();
            Outcome outcome = Statement.executeAll(body, inner, block);
            if (outcome == Outcome.NEXT) {
                out.append(Repr.str(filter.applyToBlock(block.text(), inner)));
            }
            return outcome;
        }
    }

    record With(List<Target> targets, List<Expression> values, List<Statement> body, int line) implements Statement {
        @Override
        public Outcome execute(Scope scope, Output out) {
            Scope inner = scope.child();
            for (int i = 0; i < targets.size(); i++) {
                targets.get(i).assign(inner, values.get(i).evaluate(scope));
            }
            return Statement.executeAll(body, inner, out);
        }
    }

    /** {@code break} and {@code continue}. */
    record Jump(Outcome outcome, int line) implements Statement {
        @Override
        public Outcome execute(Scope scope, Output out) {
            return outcome;
        }
    }
}
