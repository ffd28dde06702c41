// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Macros, call blocks and the marks of assistant text. */
final class Macros {

    private Macros() {}

    /** A parameter; its default may be null. */
    record Parameter(String name, Expression otherwise) {}

    /** The signature and body of a macro or call block, and which special names the body uses. */
    record Code(List<Parameter> parameters, List<Statement> body, boolean caller, boolean kwargs, boolean varargs) {

        boolean hasParameter(String name) {
            return parameters.stream().anyMatch(parameter -> parameter.name.equals(name));
        }
    }

    record Definition(String name, Code code, int line) implements Statement {
        @Override
        public Outcome execute(Scope scope, Output out) {
            scope.set(name, new Macro(name, code, scope, out));
            return Outcome.NEXT;
        }
    }

    /** {@code {% call f() %}…{% endcall %}}. */
    record CallBlock(Access.Call call, Code code, int line) implements Statement {
        @Override
        public Outcome execute(Scope scope, Output out) {
            Macro caller = new Macro(null, code, scope, out);
            out.append(Repr.str(call.evaluate(scope, caller)));
            return Outcome.NEXT;
        }
    }

    /** {@code {% generation %}…{% endgeneration %}}: text that the assistant writes. */
    record Generation(Code code, int line) implements Statement {
        @Override
        public Outcome execute(Scope scope, Output out) {
            Object text = new Macro(null, code, scope, out).call(Arguments.of(List.of()));
            out.mark((String) text);
            out.append((String) text);
            return Outcome.NEXT;
        }
    }

    /** A macro as a value, with the scope it was defined in. */
    static final class Macro extends Callable implements HasAttributes {

        private final Code code;
        private final Scope scope;
        private final Output out;

        Macro(String name, Code code, Scope scope, Output out) {
            super(name, null);
            this.code = code;
            this.scope = scope;
            this.out = out;
        }

        @Override
        Object call(Arguments arguments) {
            Scope inner = scope.child();
            bind(arguments, inner);
            Render render = scope.render();
            int line = render.line();
            render.enterMacro();
            Output text = out.nested();
            Statement.executeAll(code.body, inner, text);
            render.leaveMacro();
            render.line(line);
            return text.text();
        }

        private void bind(Arguments arguments, Scope inner) {
            Map<String, Object> named = new LinkedHashMap<>(arguments.named());
            List<Object> positional = arguments.positional();
            List<Parameter> unset = new ArrayList<>();
            for (int i = 0; i < code.parameters.size(); i++) {
                Parameter parameter = code.parameters.get(i);
                if (i < positional.size()) {
                    inner.set(parameter.name, positional.get(i));
                } else if (named.containsKey(parameter.name)) {
                    inner.set(parameter.name, named.remove(parameter.name));
                } else {
                    unset.add(parameter);
                }
            }
            bindSpecial(positional, named, inner);
            unset.forEach(parameter -> bindDefault(parameter, inner));
        }

        private static void bindDefault(Parameter parameter, Scope inner) {
            inner.set(
                    parameter.name,
                    parameter.otherwise != null
                            ? parameter.otherwise.evaluate(inner)
                            : Undefined.hint("parameter '" + parameter.name + "' was not provided"));
        }

        private void bindSpecial(List<Object> positional, Map<String, Object> named, Scope inner) {
            if (code.caller && !code.hasParameter("caller")) {
                Object caller = named.remove("caller");
                inner.set("caller", caller != null ? caller : Undefined.hint("No caller defined"));
            }
            if (code.kwargs) {
                inner.set("kwargs", named);
            } else if (!named.isEmpty()) {
                throw unexpected(named);
            }
            int count = code.parameters.size();
            if (code.varargs) {
                inner.set(
                        "varargs",
                        new Tuple(positional.subList(Math.min(count, positional.size()), positional.size())));
            } else if (positional.size() > count) {
                throw new TemplateException(
                        "macro " + Repr.repr(name()) + " takes not more than " + count + " argument(s)");
            }
        }

        private TemplateException unexpected(Map<String, Object> named) {
            if (named.containsKey("caller")) {
                return new TemplateException("macro " + Repr.repr(name())
                        + " was invoked with two values for the special caller argument. This is most likely a bug.");
            }
            String first = named.keySet().iterator().next();
            return new TemplateException(
                    "macro " + Repr.repr(name()) + " takes no keyword argument " + Repr.repr(first));
        }

        @Override
        public Object attribute(String attribute) {
            return switch (attribute) {
                case "name" -> name();
                case "arguments" -> new ArrayList<Object>(
                        code.parameters.stream().map(Parameter::name).toList());
                case "catch_kwargs" -> code.kwargs;
                case "catch_varargs" -> code.varargs;
                case "caller" -> code.caller;
                default -> ABSENT;
            };
        }

        @Override
        public String typeName() {
            return "jinja2.runtime.Macro";
        }
    }
}
