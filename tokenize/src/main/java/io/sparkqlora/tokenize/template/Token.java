// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

/**
 * A token of a template.
 *
 * @param value the text of a name, string or piece of data; the Long or Double of a number; otherwise null
 */
record Token(Type type, Object value, int line) {

    enum Type {
        DATA("template data / text"),
        VARIABLE_BEGIN("begin of print statement"),
        VARIABLE_END("end of print statement"),
        BLOCK_BEGIN("begin of statement block"),
        BLOCK_END("end of statement block"),
        NAME("name"),
        STRING("string"),
        INTEGER("integer"),
        FLOAT("float"),
        ADD("+"),
        SUB("-"),
        DIV("/"),
        FLOORDIV("//"),
        MUL("*"),
        MOD("%"),
        POW("**"),
        TILDE("~"),
        LBRACKET("["),
        RBRACKET("]"),
        LPAREN("("),
        RPAREN(")"),
        LBRACE("{"),
        RBRACE("}"),
        EQ("=="),
        NE("!="),
        GT(">"),
        GTEQ(">="),
        LT("<"),
        LTEQ("<="),
        ASSIGN("="),
        DOT("."),
        COLON(":"),
        PIPE("|"),
        COMMA(","),
        SEMICOLON(";"),
        EOF("end of template"),
        /** Where the lexer failed; the value is the error, thrown when the parser gets there. */
        ERROR("error");

        private final String text;

        Type(String text) {
            this.text = text;
        }

        String text() {
            return text;
        }
    }

    boolean isName(String name) {
        return type == Type.NAME && name.equals(value);
    }

    String describe() {
        return type == Type.NAME ? (String) value : type.text();
    }
}
