// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;

/** {@code {% for target in items if test %}…{% else %}…{% endfor %}}; the test may be null. */
record ForLoop(
        Target target, Expression items, Expression test, List<Statement> body, List<Statement> otherwise, int line)
        implements Statement {

    @Override
    public Outcome execute(Scope scope, Output out) {
        Object iterable = items.evaluate(scope);
        Iterator<Object> iterator = Values.iterate(iterable);
        Loop loop = test == null
                ? new Loop(iterator, Values.sizeOrUnknown(iterable))
                : new Loop(filtered(iterator, scope), -1);
        boolean completed = false;
        Outcome outcome = Outcome.NEXT;
        while (outcome != Outcome.BREAK && loop.hasNext()) {
            scope.render().iteration();
            outcome = iteration(loop, scope, out);
            completed |= outcome == Outcome.NEXT;
        }
        // as in jinja2 the else branch also runs if each iteration ended by break or continue
        return completed ? Outcome.NEXT : Statement.executeAll(otherwise, scope.child(), out);
    }

    private Outcome iteration(Loop loop, Scope scope, Output out) {
        Scope inner = scope.child();
        Object item = loop.next();
        inner.set("loop", loop);
        target.assign(inner, item);
        return Statement.executeAll(body, inner, out);
    }

    /** The items for which the test holds, found one at a time: the body may change what the test sees. */
    private Iterator<Object> filtered(Iterator<Object> all, Scope scope) {
        return new Iterator<>() {
            private Object next;
            private boolean ready;

            @Override
            public boolean hasNext() {
                while (!ready && all.hasNext()) {
                    scope.render().iteration();
                    next = all.next();
                    Scope inner = scope.child();
                    target.assign(inner, next);
                    ready = Expression.isTrue(test, inner);
                }
                return ready;
            }

            @Override
            public Object next() {
                if (!hasNext()) {
                    throw new NoSuchElementException();
                }
                ready = false;
                return next;
            }
        };
    }
}
