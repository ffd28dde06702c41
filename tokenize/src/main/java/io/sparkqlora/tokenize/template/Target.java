// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/** What an assignment or a loop binds. */
sealed interface Target {

    void assign(Scope scope, Object value);

    /** Fails if the target can't be assigned to, before its value is computed. */
    default void check(Scope scope) {}

    record Variable(String name) implements Target {
        @Override
        public void assign(Scope scope, Object value) {
            scope.set(name, value);
        }
    }

    /** {@code ns.attribute}. */
    record NamespaceAttribute(String name, String attribute) implements Target {
        @Override
        public void assign(Scope scope, Object value) {
            ((Namespace) scope.lookup(name)).attributes().put(attribute, value);
        }

        @Override
        public void check(Scope scope) {
            Object target = scope.lookup(name);
            if (!(target instanceof Namespace)) {
                throw new TemplateException("cannot assign attribute on non-namespace object");
            }
        }
    }

    record Unpack(List<Target> targets) implements Target {
        @Override
        public void assign(Scope scope, Object value) {
            List<Object> values = values(value);
            for (int i = 0; i < targets.size(); i++) {
                targets.get(i).assign(scope, values.get(i));
            }
        }

        @Override
        public void check(Scope scope) {
            targets.forEach(target -> target.check(scope));
        }

        private List<Object> values(Object value) {
            if (!Values.isIterable(value)) {
                throw new TemplateException("cannot unpack non-iterable " + Types.name(value) + " object");
            }
            List<Object> values = new ArrayList<>();
            Iterator<Object> items = Values.iterate(value);
            while (items.hasNext() && values.size() < targets.size()) {
                values.add(items.next());
            }
            if (values.size() < targets.size()) {
                throw new TemplateException(
                        "not enough values to unpack (expected " + targets.size() + ", got " + values.size() + ")");
            }
            if (items.hasNext()) {
                throw new TemplateException("too many values to unpack (expected " + targets.size() + ")");
            }
            return values;
        }
    }
}
