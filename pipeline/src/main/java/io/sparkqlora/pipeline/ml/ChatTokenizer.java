// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.PreferenceKeys;
import io.sparkqlora.pipeline.internal.ml.KeyParams;
import io.sparkqlora.pipeline.internal.ml.Tokenizing;
import org.apache.spark.ml.Transformer;
import org.apache.spark.ml.param.BooleanParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.ml.util.Identifiable;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.types.StructType;

/**
 * Adds token ids and labels to rows of messages, of prompts and completions, or of text, as {@code qlora tokenize} makes them. A row
 * that can't be used has none, and the reason in {@code rejectionCol}. Lazy; runs on the executors, which get the tokenizer's files
 * from the driver.
 *
 * <p>With {@code stage} dpo rows are preferences: both sequences of a pair stand one after the other, and their lengths are a third
 * column.
 *
 * <p>With {@code addGenerationPrompt} rows are prompts, for {@link QLoraModel} to continue: nothing in them counts.
 */
public final class ChatTokenizer extends Transformer implements MLWritable {

    private static final long serialVersionUID = 1L;

    private final String uid;
    private final transient KeyParams keyParams;

    /** With a name of its own. */
    public ChatTokenizer() {
        this(Identifiable.randomUID("chatTokenizer"));
    }

    /** With the given name. */
    public ChatTokenizer(String uid) {
        this.uid = uid;
        this.keyParams = new KeyParams(uid);
        keyParams.setDefaults(this);
        setDefault(inputIdsCol(), "input_ids");
        setDefault(labelsCol(), "labels");
        setDefault(sequenceLengthsCol(), "sequence_lengths");
        setDefault(rejectionCol(), "rejection");
        setDefault(addGenerationPrompt(), false);
    }

    @Override
    public String uid() {
        return uid;
    }

    /** Where the params are kept. */
    public KeyParams keyParams() {
        return keyParams;
    }

    /** Column that is added: token ids. */
    public Param<String> inputIdsCol() {
        return keyParams.text("inputIdsCol", "Added: token ids, an array of integers");
    }

    /** Column that is added: labels. */
    public Param<String> labelsCol() {
        return keyParams.text("labelsCol", "Added: each token's own id where it counts in the loss, -100 elsewhere");
    }

    /** Column that is added to preferences: tokens of the two sequences. */
    public Param<String> sequenceLengthsCol() {
        return keyParams.text(
                "sequenceLengthsCol",
                "Added with stage dpo: the tokens of the chosen and of the rejected sequence, which stand one after the other");
    }

    /** Column that is added: why there are no tokens. */
    public Param<String> rejectionCol() {
        return keyParams.text("rejectionCol", "Added: why the row can't be used; null where it can. Empty: not added");
    }

    /** Whether rows are prompts. */
    public BooleanParam addGenerationPrompt() {
        return keyParams.bool(
                "addGenerationPrompt",
                "Whether rows are prompts to be continued: a conversation goes up to where the assistant is to speak, of a "
                        + "pair the prompt is taken, and a text is left open");
    }

    /** {@link ModelKeys#MODEL_NAME_OR_PATH}. */
    public Param<String> modelNameOrPath() {
        return keyParams.text(ModelKeys.MODEL_NAME_OR_PATH);
    }

    /** {@link ModelKeys#CACHE_DIR}. */
    public Param<String> cacheDir() {
        return keyParams.text(ModelKeys.CACHE_DIR);
    }

    /** {@link DataKeys#MESSAGES_COLUMN}. */
    public Param<String> messagesColumn() {
        return keyParams.text(DataKeys.MESSAGES_COLUMN);
    }

    /** {@link DataKeys#TOOLS_COLUMN}. */
    public Param<String> toolsColumn() {
        return keyParams.text(DataKeys.TOOLS_COLUMN);
    }

    /** {@link DataKeys#PROMPT_COLUMN}. */
    public Param<String> promptColumn() {
        return keyParams.text(DataKeys.PROMPT_COLUMN);
    }

    /** {@link DataKeys#COMPLETION_COLUMN}. */
    public Param<String> completionColumn() {
        return keyParams.text(DataKeys.COMPLETION_COLUMN);
    }

    /** {@link PreferenceKeys#STAGE}. */
    public Param<String> stage() {
        return keyParams.text(PreferenceKeys.STAGE);
    }

    /** {@link PreferenceKeys#CHOSEN_COLUMN}. */
    public Param<String> chosenColumn() {
        return keyParams.text(PreferenceKeys.CHOSEN_COLUMN);
    }

    /** {@link PreferenceKeys#REJECTED_COLUMN}. */
    public Param<String> rejectedColumn() {
        return keyParams.text(PreferenceKeys.REJECTED_COLUMN);
    }

    /** {@link DataKeys#TEXT_COLUMN}. */
    public Param<String> textColumn() {
        return keyParams.text(DataKeys.TEXT_COLUMN);
    }

    /** {@link DataKeys#CHAT_TEMPLATE}. */
    public Param<String> chatTemplate() {
        return keyParams.text(DataKeys.CHAT_TEMPLATE);
    }

    /** {@link DataKeys#CHAT_TEMPLATE_DATE}. */
    public Param<String> chatTemplateDate() {
        return keyParams.text(DataKeys.CHAT_TEMPLATE_DATE);
    }

    /** {@link DataKeys#MAX_SEQ_LENGTH}. */
    public IntParam maxSeqLength() {
        return keyParams.integer(DataKeys.MAX_SEQ_LENGTH);
    }

    /** {@link DataKeys#FORMATTING}. */
    public Param<String> formatting() {
        return keyParams.text(DataKeys.FORMATTING);
    }

    /** {@link DataKeys#ASSISTANT_ONLY_LOSS}. */
    public BooleanParam assistantOnlyLoss() {
        return keyParams.bool(DataKeys.ASSISTANT_ONLY_LOSS);
    }

    /** {@link DataKeys#COMPLETION_ONLY_LOSS}. */
    public BooleanParam completionOnlyLoss() {
        return keyParams.bool(DataKeys.COMPLETION_ONLY_LOSS);
    }

    @Override
    public Dataset<Row> transform(Dataset<?> dataset) {
        return Tokenizing.apply(this, dataset);
    }

    @Override
    public StructType transformSchema(StructType schema) {
        return Tokenizing.outputSchema(this, schema);
    }

    @Override
    public ChatTokenizer copy(ParamMap extra) {
        return defaultCopy(extra);
    }

    @Override
    public MLWriter write() {
        return new DefaultParamsWriter(this);
    }

    /** Reads what {@link #write} wrote. */
    public static MLReader<ChatTokenizer> read() {
        return new DefaultParamsReader<>();
    }

    /** Reads what {@link #save} wrote. */
    public static ChatTokenizer load(String path) {
        return read().load(path);
    }

    private <T> ChatTokenizer with(Param<T> param, T value) {
        set(param, value);
        return this;
    }

    /** {@link #inputIdsCol}. */
    public ChatTokenizer setInputIdsCol(String value) {
        return with(inputIdsCol(), value);
    }

    /** {@link #labelsCol}. */
    public ChatTokenizer setLabelsCol(String value) {
        return with(labelsCol(), value);
    }

    /** {@link #rejectionCol}. */
    public ChatTokenizer setRejectionCol(String value) {
        return with(rejectionCol(), value);
    }

    /** {@link #addGenerationPrompt}. */
    public ChatTokenizer setAddGenerationPrompt(boolean value) {
        return with(addGenerationPrompt(), value);
    }

    /** {@link ModelKeys#MODEL_NAME_OR_PATH}. */
    public ChatTokenizer setModelNameOrPath(String value) {
        return with(modelNameOrPath(), value);
    }

    /** {@link ModelKeys#CACHE_DIR}. */
    public ChatTokenizer setCacheDir(String value) {
        return with(cacheDir(), value);
    }

    /** {@link DataKeys#MESSAGES_COLUMN}. */
    public ChatTokenizer setMessagesColumn(String value) {
        return with(messagesColumn(), value);
    }

    /** {@link DataKeys#TOOLS_COLUMN}. */
    public ChatTokenizer setToolsColumn(String value) {
        return with(toolsColumn(), value);
    }

    /** {@link DataKeys#PROMPT_COLUMN}. */
    public ChatTokenizer setPromptColumn(String value) {
        return with(promptColumn(), value);
    }

    /** {@link DataKeys#COMPLETION_COLUMN}. */
    public ChatTokenizer setCompletionColumn(String value) {
        return with(completionColumn(), value);
    }

    /** {@link #sequenceLengthsCol}. */
    public ChatTokenizer setSequenceLengthsCol(String value) {
        return with(sequenceLengthsCol(), value);
    }

    /** {@link PreferenceKeys#STAGE}. */
    public ChatTokenizer setStage(String value) {
        return with(stage(), value);
    }

    /** {@link PreferenceKeys#CHOSEN_COLUMN}. */
    public ChatTokenizer setChosenColumn(String value) {
        return with(chosenColumn(), value);
    }

    /** {@link PreferenceKeys#REJECTED_COLUMN}. */
    public ChatTokenizer setRejectedColumn(String value) {
        return with(rejectedColumn(), value);
    }

    /** {@link DataKeys#TEXT_COLUMN}. */
    public ChatTokenizer setTextColumn(String value) {
        return with(textColumn(), value);
    }

    /** {@link DataKeys#CHAT_TEMPLATE}. */
    public ChatTokenizer setChatTemplate(String value) {
        return with(chatTemplate(), value);
    }

    /** {@link DataKeys#CHAT_TEMPLATE_DATE}. */
    public ChatTokenizer setChatTemplateDate(String value) {
        return with(chatTemplateDate(), value);
    }

    /** {@link DataKeys#MAX_SEQ_LENGTH}. */
    public ChatTokenizer setMaxSeqLength(int value) {
        return with(maxSeqLength(), value);
    }

    /** {@link DataKeys#FORMATTING}. */
    public ChatTokenizer setFormatting(String value) {
        return with(formatting(), value);
    }

    /** {@link DataKeys#ASSISTANT_ONLY_LOSS}. */
    public ChatTokenizer setAssistantOnlyLoss(boolean value) {
        return with(assistantOnlyLoss(), value);
    }

    /** {@link DataKeys#COMPLETION_ONLY_LOSS}. */
    public ChatTokenizer setCompletionOnlyLoss(boolean value) {
        return with(completionOnlyLoss(), value);
    }
}
