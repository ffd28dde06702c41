// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.data;

import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.PreferenceKeys;
import io.sparkqlora.tokenize.Formatting;
import io.sparkqlora.tokenize.PackingStrategy;
import io.sparkqlora.tokenize.PreferenceColumns;
import io.sparkqlora.tokenize.TokenizeOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;

/** A job's data keys in the tokenise module's terms. */
public final class TokenizeSettings {

    private TokenizeSettings() {}

    /** The options; a template in a file is read here. */
    public static TokenizeOptions of(JobConfig config) {
        return TokenizeOptions.builder()
                .messagesColumn(config.get(DataKeys.MESSAGES_COLUMN))
                .toolsColumn(config.get(DataKeys.TOOLS_COLUMN))
                .promptColumn(config.get(DataKeys.PROMPT_COLUMN))
                .completionColumn(config.get(DataKeys.COMPLETION_COLUMN))
                .textColumn(config.get(DataKeys.TEXT_COLUMN))
                .chatTemplate(chatTemplate(config))
                .chatTemplateDate(chatTemplateDate(config))
                .maxSeqLength(config.get(DataKeys.MAX_SEQ_LENGTH))
                .packing(config.get(DataKeys.PACKING))
                .packingStrategy(PackingStrategy.of(config.get(DataKeys.PACKING_STRATEGY)))
                .formatting(Formatting.of(config.get(DataKeys.FORMATTING)))
                .validationSplitPercentage(config.get(DataKeys.VALIDATION_SPLIT_PERCENTAGE))
                .assistantOnlyLoss(config.get(DataKeys.ASSISTANT_ONLY_LOSS))
                .completionOnlyLoss(config.get(DataKeys.COMPLETION_ONLY_LOSS))
                .preferences(preferences(config))
                .groupBy(config.get(GroupKeys.GROUP_BY))
                .groupHyperparameters(config.get(GroupKeys.GROUP_HYPERPARAMETERS))
                .build();
    }

    private static PreferenceColumns preferences(JobConfig config) {
        return config.get(PreferenceKeys.STAGE).equals(PreferenceKeys.DPO)
                ? new PreferenceColumns(
                        config.get(PreferenceKeys.CHOSEN_COLUMN), config.get(PreferenceKeys.REJECTED_COLUMN))
                : null;
    }

    /** The day that templates are told. */
    public static LocalDate chatTemplateDate(JobConfig config) {
        return LocalDate.parse(config.get(DataKeys.CHAT_TEMPLATE_DATE));
    }

    /** The template that the job sets, or null. */
    public static String chatTemplate(JobConfig config) {
        String template = config.get(DataKeys.CHAT_TEMPLATE);
        if (template == null || !template.endsWith(".jinja") || template.contains("{")) {
            return template;
        }
        try {
            return Files.readString(Path.of(template));
        } catch (IOException e) {
            throw PipelineErrors.templateUnreadable(template, e);
        }
    }
}
