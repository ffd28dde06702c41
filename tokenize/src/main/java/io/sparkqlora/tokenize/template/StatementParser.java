// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import io.sparkqlora.tokenize.template.Statement.Outcome;
import io.sparkqlora.tokenize.template.Token.Type;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Set;

/** Parses a whole template. */
final class StatementParser {

    private static final Set<String> NOT_SUPPORTED =
            Set.of("block", "extends", "include", "import", "from", "autoescape");

    private final TokenStream stream;
    private final NameUse names = new NameUse();
    private final ExpressionParser expressions;
    private final PrimaryParser primary;
    private final TargetParser targets;
    private final Nesting nesting = new Nesting();
    private int loops;

    private StatementParser(List<Token> tokens) {
        stream = new TokenStream(tokens);
        expressions = new ExpressionParser(stream, names);
        primary = new PrimaryParser(stream, names, expressions);
        targets = new TargetParser(stream);
    }

    static List<Statement> parse(String source) {
        StatementParser parser = new StatementParser(Lexer.tokenize(source));
        List<Statement> body = parser.statements(Set.of());
        parser.names.fail();
        return body;
    }

    private List<Statement> statements(Set<String> ends) {
        List<Statement> body = new ArrayList<>();
        while (!stream.is(Type.EOF)) {
            Token token = stream.next();
            switch (token.type()) {
                case DATA -> body.add(new Statements.Data((String) token.value(), token.line()));
                case VARIABLE_BEGIN -> {
                    body.add(new Statements.Print(expressions.tuple(true, null), token.line()));
                    stream.expect(Type.VARIABLE_END);
                }
                default -> {
                    if (stream.is(Type.NAME) && ends.contains(stream.current().value())) {
                        return body;
                    }
                    Statement statement = statement();
                    body.add(statement);
                    stream.expect(Type.BLOCK_END);
                }
            }
        }
        if (!ends.isEmpty()) {
            throw nesting.endOfTemplate(stream.current().line());
        }
        return body;
    }

    /** A statement's body, up to one of the end tags, which is read but not the end of its block. */
    private List<Statement> body(String... ends) {
        stream.skipIf(Type.COLON);
        stream.expect(Type.BLOCK_END);
        nesting.expect(ends);
        List<Statement> body = statements(Set.of(ends));
        nesting.found();
        return body;
    }

    private List<Statement> bodyToEnd(String end) {
        List<Statement> body = body(end);
        stream.next();
        return body;
    }

    private Statement statement() {
        Token token = stream.current();
        if (token.type() != Type.NAME) {
            throw stream.error("tag name expected");
        }
        String tag = (String) token.value();
        nesting.open(tag);
        Statement statement = statement(tag, token.line());
        nesting.close();
        return statement;
    }

    private Statement statement(String tag, int line) {
        if (NOT_SUPPORTED.contains(tag)) {
            throw stream.error("the tag '" + tag + "' isn't supported in chat templates here");
        }
        return switch (tag) {
            case "for" -> forLoop(line);
            case "if" -> condition(line);
            case "set" -> set(line);
            case "macro" -> macro(line);
            case "call" -> callBlock(line);
            case "filter" -> filterBlock(line);
            case "with" -> with(line);
            case "generation" -> generation(line);
            case "print" -> print(line);
            case "break", "continue" -> jump(tag, line);
            default -> throw nesting.unknownTag(tag, line);
        };
    }

    private Statement forLoop(int line) {
        stream.next();
        Target target = targets.target("in", false);
        TargetParser.refuseLoop(target, line);
        stream.expectName("in");
        Expression items = expressions.tuple(false, "recursive");
        int mark = names.mark();
        Expression test = stream.skipIfName("if") ? expressions.expression() : null;
        if (stream.isName("recursive")) {
            throw stream.error("recursive loops aren't supported in chat templates here");
        }
        loops++;
        List<Statement> body = body("endfor", "else");
        loops--;
        boolean hasElse = stream.next().isName("else");
        List<Statement> otherwise = hasElse ? bodyToEnd("endfor") : List.of();
        names.leaveScope(mark);
        return new ForLoop(target, items, test, body, otherwise, line);
    }

    private Statement condition(int line) {
        int mark = names.mark();
        List<Statements.Branch> branches = new ArrayList<>();
        List<Statement> otherwise = List.of();
        Token tag;
        do {
            stream.next();
            Expression test = expressions.tuple(false, null);
            branches.add(new Statements.Branch(test, body("elif", "else", "endif")));
            tag = stream.current();
        } while (tag.isName("elif"));
        stream.next();
        if (tag.isName("else")) {
            otherwise = bodyToEnd("endif");
        }
        names.forgiveUnknown(mark);
        return new Statements.If(branches, otherwise, line);
    }

    private Statement set(int line) {
        stream.next();
        Target target = targets.target(null, true);
        if (stream.skipIf(Type.ASSIGN)) {
            return new Statements.SetValue(target, expressions.tuple(true, null), line);
        }
        int mark = names.mark();
        Access.FilterCall filter = primary.filter(null, false);
        List<Statement> body = bodyToEnd("endset");
        names.leaveScope(mark);
        return new Statements.SetBlock(target, filter, body, line);
    }

    private Statement macro(int line) {
        stream.next();
        String name = (String) stream.expect(Type.NAME).value();
        return new Macros.Definition(name, code(signature(), "endmacro", line), line);
    }

    /** The body of a macro or call block: a function of its own, that no break of a loop around it leaves. */
    private Macros.Code code(List<Macros.Parameter> parameters, String end, int line) {
        int around = loops;
        int mark = names.mark();
        loops = 0;
        names.enterMacro();
        List<Statement> body = bodyToEnd(end);
        Set<String> used = names.leaveMacro();
        loops = around;
        names.leaveScope(mark);
        boolean callerGiven = parameters.stream()
                .anyMatch(parameter -> parameter.name().equals("caller") && parameter.otherwise() == null);
        if (used.contains("caller") && callerGiven) {
            throw new TemplateException(
                    "When defining macros or call blocks the special \"caller\" argument must be omitted or be given a"
                            + " default.",
                    line);
        }
        Macros.Code code = new Macros.Code(parameters, body, false, false, false);
        return new Macros.Code(
                parameters,
                body,
                used.contains("caller"),
                used.contains("kwargs") && !code.hasParameter("kwargs"),
                used.contains("varargs") && !code.hasParameter("varargs"));
    }

    private List<Macros.Parameter> signature() {
        List<Macros.Parameter> parameters = new ArrayList<>();
        boolean defaults = false;
        stream.expect(Type.LPAREN);
        while (!stream.is(Type.RPAREN)) {
            if (!parameters.isEmpty()) {
                stream.expect(Type.COMMA);
            }
            String name = (String) stream.expect(Type.NAME).value();
            Expression otherwise = stream.skipIf(Type.ASSIGN) ? expressions.expression() : null;
            if (otherwise == null && defaults) {
                throw stream.error("non-default argument follows default argument");
            }
            defaults |= otherwise != null;
            parameters.add(new Macros.Parameter(name, otherwise));
        }
        stream.expect(Type.RPAREN);
        return parameters;
    }

    private Statement callBlock(int line) {
        stream.next();
        List<Macros.Parameter> parameters = stream.is(Type.LPAREN) ? signature() : List.of();
        Expression call = expressions.expression();
        if (!(call instanceof Access.Call target)) {
            throw new TemplateException("expected call", line);
        }
        return new Macros.CallBlock(target, code(parameters, "endcall", line), line);
    }

    private Statement filterBlock(int line) {
        stream.next();
        int mark = names.mark();
        Access.FilterCall filter = primary.filter(null, true);
        List<Statement> body = bodyToEnd("endfilter");
        names.leaveScope(mark);
        return new Statements.FilterBlock(filter, body, line);
    }

    private Statement with(int line) {
        stream.next();
        int mark = names.mark();
        List<Target> variables = new ArrayList<>();
        List<Expression> values = new ArrayList<>();
        while (!stream.is(Type.BLOCK_END)) {
            if (!variables.isEmpty()) {
                stream.expect(Type.COMMA);
            }
            variables.add(targets.target(null, false));
            stream.expect(Type.ASSIGN);
            values.add(expressions.expression());
        }
        List<Statement> body = bodyToEnd("endwith");
        names.leaveScope(mark);
        return new Statements.With(variables, values, body, line);
    }

    private Statement generation(int line) {
        stream.next();
        return new Macros.Generation(code(List.of(), "endgeneration", line), line);
    }

    private Statement print(int line) {
        stream.next();
        List<Expression> values = new ArrayList<>();
        while (!stream.is(Type.BLOCK_END)) {
            if (!values.isEmpty()) {
                stream.expect(Type.COMMA);
            }
            values.add(expressions.expression());
        }
        return new Statements.Print(values.size() == 1 ? values.get(0) : new Operators.Concat(values), line);
    }

    private Statement jump(String tag, int line) {
        if (loops == 0) {
            throw stream.error("break".equals(tag) ? "'break' outside loop" : "'continue' not properly in loop");
        }
        stream.next();
        return new Statements.Jump("break".equals(tag) ? Outcome.BREAK : Outcome.CONTINUE, line);
    }

    /** The open tags and the tags that may end them, for the messages about what doesn't fit. */
    private static final class Nesting {

        private final Deque<String> open = new ArrayDeque<>();
        private final Deque<List<String>> ends = new ArrayDeque<>();

        void open(String tag) {
            open.push(tag);
        }

        void close() {
            open.pop();
        }

        void expect(String... tags) {
            ends.push(List.of(tags));
        }

        void found() {
            ends.pop();
        }

        TemplateException endOfTemplate(int line) {
            return new TemplateException("Unexpected end of template." + looking(null), line);
        }

        TemplateException unknownTag(String tag, int line) {
            open.pop();
            return new TemplateException("Encountered unknown tag " + Repr.repr(tag) + "." + looking(tag), line);
        }

        private String looking(String tag) {
            if (ends.isEmpty()) {
                return innermost();
            }
            String wanted =
                    String.join(" or ", ends.peek().stream().map(Repr::repr).toList());
            boolean nesting = tag != null && ends.stream().anyMatch(tags -> tags.contains(tag));
            return (nesting
                            ? " You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for "
                                    + wanted + "."
                            : " Jinja was looking for the following tags: " + wanted + ".")
                    + innermost();
        }

        private String innermost() {
            return open.isEmpty()
                    ? ""
                    : " The innermost block that needs to be closed is " + Repr.repr(open.peek()) + ".";
        }
    }
}
