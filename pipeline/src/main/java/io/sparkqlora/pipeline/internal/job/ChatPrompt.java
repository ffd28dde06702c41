// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.job;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.internal.data.TokenizeSettings;
import io.sparkqlora.tokenize.ChatTemplate;
import io.sparkqlora.tokenize.TextTokenizer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A conversation as the text after which the assistant speaks. */
public final class ChatPrompt {

    private final ChatTemplate template;
    private final TextTokenizer tokenizer;

    /** With the job's template, or else the tokenizer's. */
    public ChatPrompt(JobConfig config, TextTokenizer tokenizer) {
        String own = TokenizeSettings.chatTemplate(config);
        this.template = ChatTemplate.compile(
                own == null ? tokenizer.requireChatTemplate() : own, TokenizeSettings.chatTemplateDate(config));
        this.tokenizer = tokenizer;
    }

    /** Whether there is a template for these. */
    public static boolean available(JobConfig config, TextTokenizer tokenizer) {
        return TokenizeSettings.chatTemplate(config) != null
                || tokenizer.chatTemplate().isPresent();
    }

    /** The prompt of one question. */
    public String ofUser(String content) {
        return of(List.of(Map.of("role", "user", "content", content)));
    }

    /** The prompt of a conversation. */
    public String of(List<? extends Map<String, ?>> messages) {
        Map<String, Object> context = new HashMap<>(tokenizer.specialTokens());
        context.put("messages", messages);
        context.put("add_generation_prompt", true);
        return template.render(context).text();
    }
}
