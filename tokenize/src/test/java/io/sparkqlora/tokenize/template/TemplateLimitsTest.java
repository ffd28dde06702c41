// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.tokenize.template;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Clock;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TemplateLimitsTest {

    private static void render(String template) {
        Template.compile(template).render(Map.of(), Clock.systemUTC());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %} | loops more than",
                "{{ range(1000000) }} | Range too big",
                "{{ 'ab' * 999999999 }} | the text grows beyond",
                "{{ [1] * 999999999 }} | a list grows beyond",
                "{% set x = namespace(l=[1]) %}{% for i in range(99) %}{% set x.l = x.l + x.l %}{% endfor %} | a list grows",
                "{% set x = namespace(s='ab') %}{% for i in range(99) %}{% set x.s = x.s ~ x.s %}{% endfor %} | the text grows",
                "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }} | maximum recursion depth exceeded",
                "{% set n = namespace() %}{% set n.n = n %}{{ n }} | maximum recursion depth exceeded",
                "{{ 2 ** 64 }} | beyond 64 bits",
                "{{ 9223372036854775807 + 1 }} | beyond 64 bits",
                "{{ 99999999999999999999 }} | beyond 64 bits",
                "{{ 'x'.center(999999999) }} | the text grows beyond",
                "{{ '%999999999d' % 1 }} | the text grows beyond",
            })
    void refusesWhatWouldHangAJob(String template, String message) {
        assertThatThrownBy(() -> render(template))
                .isInstanceOf(TemplateException.class)
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '§',
            quoteCharacter = '`',
            value = {
                "{% include 'x' %} § the tag 'include' isn't supported in chat templates here",
                "{% for a in b recursive %}{% endfor %} § recursive loops aren't supported in chat templates here",
                "{{ 'x' | urlize }} § the filter 'urlize' isn't supported in chat templates here",
                "{{ 'x'.encode() }} § the attribute 'encode' of 'str' isn't supported in chat templates here",
                "{{ [1] | map('upper') }} § put it through the filter list first",
            })
    void saysWhatIsNotSupported(String template, String message) {
        assertThatThrownBy(() -> render(template))
                .isInstanceOf(TemplateException.class)
                .hasMessageContaining(message);
    }

    @Test
    void deeplyNestedTemplatesFail() {
        assertThatThrownBy(() -> render("{{ " + "(".repeat(100_000) + "1" + ")".repeat(100_000) + " }}"))
                .isInstanceOf(TemplateException.class)
                .hasMessageContaining("nested too deeply");
    }

    @Test
    void errorsKnowTheirLine() {
        assertThatThrownBy(() -> render("a\n{% if true %}\n{{ x.y }}\n{% endif %}"))
                .isInstanceOfSatisfying(
                        TemplateException.class, e -> org.assertj.core.api.Assertions.assertThat(e.line())
                                .isEqualTo(3));
        assertThatThrownBy(() -> render("a\n\n{{ x | nothing }}"))
                .isInstanceOfSatisfying(
                        TemplateException.class, e -> org.assertj.core.api.Assertions.assertThat(e.line())
                                .isEqualTo(3));
    }
}
