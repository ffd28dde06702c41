// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.EvaluationKeys;
import io.sparkqlora.pipeline.ExecutorKeys;
import io.sparkqlora.pipeline.GroupKeys;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.QuantizationKeys;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.TrainingKeys;
import io.sparkqlora.pipeline.internal.ml.Fit;
import io.sparkqlora.pipeline.internal.ml.Fits;
import io.sparkqlora.pipeline.internal.ml.FittedAdapter;
import io.sparkqlora.pipeline.internal.ml.KeyParams;
import io.sparkqlora.pipeline.internal.ml.TokenInput;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.ml.Estimator;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.util.DefaultParamsReader;
import org.apache.spark.ml.util.DefaultParamsWriter;
import org.apache.spark.ml.util.Identifiable;
import org.apache.spark.ml.util.MLReader;
import org.apache.spark.ml.util.MLWritable;
import org.apache.spark.ml.util.MLWriter;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.types.StructType;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Trains a LoRA adapter over a 4-bit base on tokenised rows, as {@code qlora train} does with the same keys: the same rows give
 * the same adapter, bit for bit, and the run stands in the tables under {@code outputDir}. A fit that was interrupted goes on.
 *
 * <p>Fits that are asked for together, by {@link #fit(Dataset, ParamMap[])} or by threads at the same time ({@code
 * CrossValidator} with {@code parallelism} of the grid's size), on the same rows, and that differ in what a group may have of its
 * own ({@link GroupKeys#GROUP_HYPERPARAMETERS}), are one run: adapters trained side by side over one base, {@link
 * #groupsPerDevice} at a time, or all where that is not set. Such an adapter is the one trained alone, to rounding. Others are
 * trained one after another.
 *
 * <p>All methods throw {@link io.sparkqlora.kernels.QLoraException}.
 */
public final class QLoraEstimator extends Estimator<QLoraModel> implements QLoraParams, MLWritable {

    private static final long serialVersionUID = 1L;

    private final String uid;
    private final transient KeyParams keyParams;

    /** With a name of its own. */
    public QLoraEstimator() {
        this(Identifiable.randomUID("qlora"));
    }

    /** With the given name. */
    public QLoraEstimator(String uid) {
        this.uid = uid;
        this.keyParams = new KeyParams(uid);
        TokenInput.setDefaults(this);
    }

    @Override
    public String uid() {
        return uid;
    }

    @Override
    public KeyParams keyParams() {
        return keyParams;
    }

    @Override
    public QLoraModel fit(Dataset<?> dataset) {
        return model(this, Fits.together(request(dataset)));
    }

    /**
     * Fits a grid as one run.
     *
     * @return a model for each map, in their order
     */
    public List<QLoraModel> fit(Dataset<?> dataset, ParamMap[] paramMaps) {
        return CollectionConverters.asJava(
                fit(dataset, CollectionConverters.asScala(List.of(paramMaps)).toSeq()));
    }

    /** As {@link #fit(Dataset, ParamMap[])}, for Scala. */
    @Override
    public Seq<QLoraModel> fit(Dataset<?> dataset, Seq<ParamMap> paramMaps) {
        List<QLoraEstimator> estimators =
                CollectionConverters.asJava(paramMaps).stream().map(this::copy).toList();
        List<FittedAdapter> fitted =
                Fits.all(estimators.stream().map(each -> each.request(dataset)).toList());
        List<QLoraModel> models = new ArrayList<>();
        for (int i = 0; i < fitted.size(); i++) {
            models.add(model(estimators.get(i), fitted.get(i)));
        }
        return CollectionConverters.asScala(models).toSeq();
    }

    private Fit request(Dataset<?> dataset) {
        transformSchema(dataset.schema());
        return TokenInput.fit(this, dataset);
    }

    private static QLoraModel model(QLoraEstimator estimator, FittedAdapter fitted) {
        return estimator
                .copyValues(new QLoraModel(estimator.uid, fitted), ParamMap.empty())
                .setParent(estimator);
    }

    @Override
    public StructType transformSchema(StructType schema) {
        return TokenInput.outputSchema(this, schema);
    }

    @Override
    public QLoraEstimator copy(ParamMap extra) {
        return defaultCopy(extra);
    }

    @Override
    public MLWriter write() {
        return new DefaultParamsWriter(this);
    }

    /** Reads what {@link #write} wrote. */
    public static MLReader<QLoraEstimator> read() {
        return new DefaultParamsReader<>();
    }

    /** Reads what {@link #save} wrote. */
    public static QLoraEstimator load(String path) {
        return read().load(path);
    }

    private <T> QLoraEstimator with(Param<T> param, T value) {
        set(param, value);
        return this;
    }

    /** {@link QLoraParams#inputIdsCol}. */
    public QLoraEstimator setInputIdsCol(String value) {
        return with(inputIdsCol(), value);
    }

    /** {@link QLoraParams#labelsCol}. */
    public QLoraEstimator setLabelsCol(String value) {
        return with(labelsCol(), value);
    }

    /** {@link QLoraParams#lossCol}. */
    public QLoraEstimator setLossCol(String value) {
        return with(lossCol(), value);
    }

    /** {@link QLoraParams#numTargetTokensCol}. */
    public QLoraEstimator setNumTargetTokensCol(String value) {
        return with(numTargetTokensCol(), value);
    }

    /** {@link QLoraParams#generatedCol}. */
    public QLoraEstimator setGeneratedCol(String value) {
        return with(generatedCol(), value);
    }

    /** {@link QLoraParams#maxNewTokens}. */
    public QLoraEstimator setMaxNewTokens(int value) {
        return with(maxNewTokens(), value);
    }

    /** {@link ModelKeys#MODEL_NAME_OR_PATH}. */
    public QLoraEstimator setModelNameOrPath(String value) {
        return with(modelNameOrPath(), value);
    }

    /** {@link ModelKeys#BACKEND}. */
    public QLoraEstimator setBackend(String value) {
        return with(backend(), value);
    }

    /** {@link DataKeys#MAX_SEQ_LENGTH}. */
    public QLoraEstimator setMaxSeqLength(int value) {
        return with(maxSeqLength(), value);
    }

    /** {@link DataKeys#PACKING}. */
    public QLoraEstimator setPacking(boolean value) {
        return with(packing(), value);
    }

    /** {@link DataKeys#PACKING_STRATEGY}. */
    public QLoraEstimator setPackingStrategy(String value) {
        return with(packingStrategy(), value);
    }

    /** {@link DataKeys#VALIDATION_SPLIT_PERCENTAGE}. */
    public QLoraEstimator setValidationSplitPercentage(double value) {
        return with(validationSplitPercentage(), value);
    }

    /** {@link QuantizationKeys#LOAD_IN_4BIT}. */
    public QLoraEstimator setLoadIn4bit(boolean value) {
        return with(loadIn4bit(), value);
    }

    /** {@link QuantizationKeys#BNB_4BIT_QUANT_TYPE}. */
    public QLoraEstimator setBnb4bitQuantType(String value) {
        return with(bnb4bitQuantType(), value);
    }

    /** {@link QuantizationKeys#BNB_4BIT_USE_DOUBLE_QUANT}. */
    public QLoraEstimator setBnb4bitUseDoubleQuant(boolean value) {
        return with(bnb4bitUseDoubleQuant(), value);
    }

    /** {@link QuantizationKeys#BNB_4BIT_COMPUTE_DTYPE}. */
    public QLoraEstimator setBnb4bitComputeDtype(String value) {
        return with(bnb4bitComputeDtype(), value);
    }

    /** {@link QuantizationKeys#OFFLOAD_EMBEDDING}. */
    public QLoraEstimator setOffloadEmbedding(boolean value) {
        return with(offloadEmbedding(), value);
    }

    /** {@link AdapterKeys#R}. */
    public QLoraEstimator setR(int value) {
        return with(r(), value);
    }

    /** {@link AdapterKeys#LORA_ALPHA}. */
    public QLoraEstimator setLoraAlpha(double value) {
        return with(loraAlpha(), value);
    }

    /** {@link AdapterKeys#LORA_DROPOUT}. */
    public QLoraEstimator setLoraDropout(double value) {
        return with(loraDropout(), value);
    }

    /** {@link AdapterKeys#TARGET_MODULES}. */
    public QLoraEstimator setTargetModules(String value) {
        return with(targetModules(), value);
    }

    /** {@link AdapterKeys#EXCLUDE_MODULES}. */
    public QLoraEstimator setExcludeModules(String value) {
        return with(excludeModules(), value);
    }

    /** {@link AdapterKeys#LAYERS_TO_TRANSFORM}. */
    public QLoraEstimator setLayersToTransform(String value) {
        return with(layersToTransform(), value);
    }

    /** {@link AdapterKeys#LAYERS_PATTERN}. */
    public QLoraEstimator setLayersPattern(String value) {
        return with(layersPattern(), value);
    }

    /** {@link AdapterKeys#INIT_LORA_WEIGHTS}. */
    public QLoraEstimator setInitLoraWeights(String value) {
        return with(initLoraWeights(), value);
    }

    /** {@link AdapterKeys#USE_RSLORA}. */
    public QLoraEstimator setUseRslora(boolean value) {
        return with(useRslora(), value);
    }

    /** {@link TrainingKeys#LEARNING_RATE}. */
    public QLoraEstimator setLearningRate(double value) {
        return with(learningRate(), value);
    }

    /** {@link TrainingKeys#LR_SCHEDULER_TYPE}. */
    public QLoraEstimator setLrSchedulerType(String value) {
        return with(lrSchedulerType(), value);
    }

    /** {@link TrainingKeys#LR_SCHEDULER_KWARGS}. */
    public QLoraEstimator setLrSchedulerKwargs(String value) {
        return with(lrSchedulerKwargs(), value);
    }

    /** {@link TrainingKeys#WARMUP_STEPS}. */
    public QLoraEstimator setWarmupSteps(int value) {
        return with(warmupSteps(), value);
    }

    /** {@link TrainingKeys#WARMUP_RATIO}. */
    public QLoraEstimator setWarmupRatio(double value) {
        return with(warmupRatio(), value);
    }

    /** {@link TrainingKeys#MAX_STEPS}. */
    public QLoraEstimator setMaxSteps(int value) {
        return with(maxSteps(), value);
    }

    /** {@link TrainingKeys#NUM_TRAIN_EPOCHS}. */
    public QLoraEstimator setNumTrainEpochs(double value) {
        return with(numTrainEpochs(), value);
    }

    /** {@link TrainingKeys#PER_DEVICE_TRAIN_BATCH_SIZE}. */
    public QLoraEstimator setPerDeviceTrainBatchSize(int value) {
        return with(perDeviceTrainBatchSize(), value);
    }

    /** {@link TrainingKeys#GRADIENT_ACCUMULATION_STEPS}. */
    public QLoraEstimator setGradientAccumulationSteps(int value) {
        return with(gradientAccumulationSteps(), value);
    }

    /** {@link TrainingKeys#MAX_GRAD_NORM}. */
    public QLoraEstimator setMaxGradNorm(double value) {
        return with(maxGradNorm(), value);
    }

    /** {@link TrainingKeys#WEIGHT_DECAY}. */
    public QLoraEstimator setWeightDecay(double value) {
        return with(weightDecay(), value);
    }

    /** {@link TrainingKeys#LABEL_SMOOTHING_FACTOR}. */
    public QLoraEstimator setLabelSmoothingFactor(double value) {
        return with(labelSmoothingFactor(), value);
    }

    /** {@link TrainingKeys#NEFTUNE_NOISE_ALPHA}. */
    public QLoraEstimator setNeftuneNoiseAlpha(double value) {
        return with(neftuneNoiseAlpha(), value);
    }

    /** {@link TrainingKeys#OPTIM}. */
    public QLoraEstimator setOptim(String value) {
        return with(optim(), value);
    }

    /** {@link TrainingKeys#LORAPLUS_LR_RATIO}. */
    public QLoraEstimator setLoraplusLrRatio(double value) {
        return with(loraplusLrRatio(), value);
    }

    /** {@link TrainingKeys#ADAM_BETA1}. */
    public QLoraEstimator setAdamBeta1(double value) {
        return with(adamBeta1(), value);
    }

    /** {@link TrainingKeys#ADAM_BETA2}. */
    public QLoraEstimator setAdamBeta2(double value) {
        return with(adamBeta2(), value);
    }

    /** {@link TrainingKeys#ADAM_EPSILON}. */
    public QLoraEstimator setAdamEpsilon(double value) {
        return with(adamEpsilon(), value);
    }

    /** {@link TrainingKeys#SEED}. */
    public QLoraEstimator setSeed(long value) {
        return with(seed(), value);
    }

    /** {@link TrainingKeys#RECOMPUTE}. */
    public QLoraEstimator setRecompute(String value) {
        return with(recompute(), value);
    }

    /** {@link RunKeys#OUTPUT_DIR}. */
    public QLoraEstimator setOutputDir(String value) {
        return with(outputDir(), value);
    }

    /** {@link RunKeys#RESUME}. */
    public QLoraEstimator setResume(boolean value) {
        return with(resume(), value);
    }

    /** {@link EvaluationKeys#EVAL_STRATEGY}. */
    public QLoraEstimator setEvalStrategy(String value) {
        return with(evalStrategy(), value);
    }

    /** {@link EvaluationKeys#EVAL_STEPS}. */
    public QLoraEstimator setEvalSteps(int value) {
        return with(evalSteps(), value);
    }

    /** {@link EvaluationKeys#LOAD_BEST_MODEL_AT_END}. */
    public QLoraEstimator setLoadBestModelAtEnd(boolean value) {
        return with(loadBestModelAtEnd(), value);
    }

    /** {@link EvaluationKeys#METRIC_FOR_BEST_MODEL}. */
    public QLoraEstimator setMetricForBestModel(String value) {
        return with(metricForBestModel(), value);
    }

    /** {@link EvaluationKeys#GREATER_IS_BETTER}. */
    public QLoraEstimator setGreaterIsBetter(boolean value) {
        return with(greaterIsBetter(), value);
    }

    /** {@link EvaluationKeys#EARLY_STOPPING_PATIENCE}. */
    public QLoraEstimator setEarlyStoppingPatience(int value) {
        return with(earlyStoppingPatience(), value);
    }

    /** {@link EvaluationKeys#EARLY_STOPPING_THRESHOLD}. */
    public QLoraEstimator setEarlyStoppingThreshold(double value) {
        return with(earlyStoppingThreshold(), value);
    }

    /** {@link RunKeys#REPORT_TO}. */
    public QLoraEstimator setReportTo(String value) {
        return with(reportTo(), value);
    }

    /** {@link RunKeys#LOGGING_DIR}. */
    public QLoraEstimator setLoggingDir(String value) {
        return with(loggingDir(), value);
    }

    /** {@link RunKeys#SAVE_STEPS}. */
    public QLoraEstimator setSaveSteps(int value) {
        return with(saveSteps(), value);
    }

    /** {@link RunKeys#SAVE_TOTAL_LIMIT}. */
    public QLoraEstimator setSaveTotalLimit(int value) {
        return with(saveTotalLimit(), value);
    }

    /** {@link RunKeys#LOGGING_STEPS}. */
    public QLoraEstimator setLoggingSteps(int value) {
        return with(loggingSteps(), value);
    }

    /** {@link ExecutorKeys#NUM_PROCESSES}. */
    public QLoraEstimator setNumProcesses(int value) {
        return with(numProcesses(), value);
    }

    /** {@link ExecutorKeys#SHARD_BASE}. */
    public QLoraEstimator setShardBase(boolean value) {
        return with(shardBase(), value);
    }

    /** {@link ExecutorKeys#DDP_TIMEOUT}. */
    public QLoraEstimator setDdpTimeout(int value) {
        return with(ddpTimeout(), value);
    }

    /** {@link GroupKeys#GROUPS_PER_DEVICE}; not set: all fits that are asked for together. */
    public QLoraEstimator setGroupsPerDevice(int value) {
        return with(groupsPerDevice(), value);
    }
}
