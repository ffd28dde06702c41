// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.List;

/** Names, attributes, items, slices, calls, filters and tests. */
final class Access {

    private Access() {}

    record Name(String name, int line) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return scope.lookup(name);
        }
    }

    record Attribute(Expression target, String name) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return Attributes.attribute(target.evaluate(scope), name);
        }
    }

    record Item(Expression target, Expression index) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            Object object = target.evaluate(scope);
            if (index instanceof Slice slice) {
                return slice.of(object, scope);
            }
            return Attributes.item(object, index.evaluate(scope));
        }
    }

    /** {@code start:stop:step} inside brackets; each may be null. */
    record Slice(Expression start, Expression stop, Expression step) implements Expression {

        @Override
        public Object evaluate(Scope scope) {
            throw new TemplateException("a slice stands only inside brackets");
        }

        Object of(Object target, Scope scope) {
            return Slices.slice(target, part(start, scope), part(stop, scope), part(step, scope));
        }

        private static Object part(Expression expression, Scope scope) {
            return expression == null ? null : expression.evaluate(scope);
        }
    }

    record Call(Expression target, ArgumentList arguments, int line) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return evaluate(scope, null);
        }

        /** Calls with the caller of a call block, or null. */
        Object evaluate(Scope scope, Callable caller) {
            Object function = target.evaluate(scope);
            Arguments values = arguments.evaluate(scope);
            if (caller != null) {
                values.named().put("caller", caller);
            }
            return call(function, values);
        }
    }

    static Object call(Object function, Arguments arguments) {
        if (function instanceof Callable callable) {
            return callable.call(arguments);
        }
        if (function instanceof Undefined undefined) {
            throw undefined.error();
        }
        throw new TemplateException("'" + Types.name(function) + "' object is not callable");
    }

    /** A filter; its target is null where a filter block's text is its input. */
    record FilterCall(Expression target, String name, ArgumentList arguments, int line) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            return target instanceof FilterCall || target != null
                    ? apply(target.evaluate(scope), scope)
                    : apply(null, scope);
        }

        Object apply(Object input, Scope scope) {
            Filter filter = Filters.find(name);
            if (filter == null) {
                throw new TemplateException("No filter named '" + name + "' found.", line);
            }
            return filter.apply(input, arguments.evaluate(scope));
        }

        /** Runs a chain of filters on the text of a block. */
        Object applyToBlock(String text, Scope scope) {
            Object input = target instanceof FilterCall inner ? inner.applyToBlock(text, scope) : text;
            return apply(input, scope);
        }
    }

    record TestCall(Expression target, String name, ArgumentList arguments, int line) implements Expression {
        @Override
        public Object evaluate(Scope scope) {
            Test test = Tests.find(name);
            if (test == null) {
                throw new TemplateException("No test named '" + name + "' found.", line);
            }
            Object value = target.evaluate(scope);
            return test.test(value, arguments.evaluate(scope));
        }
    }

    /** The arguments of a call; {@code *args} and {@code **kwargs} may be null. */
    record ArgumentList(List<Expression> positional, List<Keyword> named, Expression star, Expression doubleStar) {

        static final ArgumentList NONE = new ArgumentList(List.of(), List.of(), null, null);

        Arguments evaluate(Scope scope) {
            Arguments arguments = Arguments.of(Literals.evaluateAll(positional, scope));
            if (star != null) {
                Values.iterate(star.evaluate(scope)).forEachRemaining(arguments.positional()::add);
            }
            for (Keyword keyword : named) {
                arguments.named().put(keyword.name, keyword.value.evaluate(scope));
            }
            if (doubleStar != null) {
                arguments.putAll(doubleStar.evaluate(scope));
            }
            return arguments;
        }
    }

    record Keyword(String name, Expression value) {}
}
