// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.ConfigKey;
import io.sparkqlora.pipeline.ConfigKeys;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import io.sparkqlora.pipeline.QuantizationKeys;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.ml.KeyParams;
import io.sparkqlora.train.TargetModules;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.ml.param.Params;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The params of the stages, without a fit. */
class QLoraParamsTest {

    /** Keys of a job that a DataFrame, a ParamMap or the run's tables stand for. */
    private static final Set<String> NO_PARAM = Set.of(
            "dataset",
            "dataset_format",
            "mix_strategy",
            "interleave_probs",
            "eval_dataset",
            "group_by",
            "group_hyperparameters",
            "run_id",
            // has one value only
            "loss_type");

    private static final StructType TOKENS = StructType.fromDDL("input_ids ARRAY<INT>, labels ARRAY<INT>");

    @TempDir
    Path dir;

    private final SparkSession spark = TestSpark.session();
    private final QLoraEstimator estimator =
            new QLoraEstimator("q").setModelNameOrPath("base").setOutputDir("out");

    /** So that the format of a base that is quantised already may take the place of defaults, and of nothing else. */
    @Test
    void aDefaultIsNothingThatWasSet() {
        JobConfigBuilder builder = JobConfig.builder().set("dataset", "rows");
        estimator.setBnb4bitQuantType("nf4").setLlmInt8SkipModules("[lm_head, o_proj]");
        estimator.keyParams().copyTo(estimator, builder);
        JobConfig job = builder.build();
        assertThat(job.isSet(QuantizationKeys.BNB_4BIT_QUANT_TYPE)).isTrue();
        assertThat(job.get(QuantizationKeys.LLM_INT8_SKIP_MODULES)).containsExactly("lm_head", "o_proj");
        assertThat(job.isSet(QuantizationKeys.LOAD_IN_4BIT)).isFalse();
        assertThat(job.get(QuantizationKeys.LOAD_IN_4BIT)).isTrue();
    }

    @Test
    void everyKeyOfAJobIsAParamOfOneStageWithItsTextAndDefault() {
        Set<String> names = Stream.of(estimator, new ChatTokenizer())
                .flatMap(stage -> Arrays.stream(stage.params()))
                .map(Param::name)
                .collect(Collectors.toCollection(TreeSet::new));
        for (ConfigKey<?> key : ConfigKeys.all()) {
            assertThat(names.contains(KeyParams.name(key))).as(key.name()).isNotEqualTo(NO_PARAM.contains(key.name()));
        }
        assertThat(estimator.explainParam(estimator.learningRate()))
                .contains("learningRate: Top of the schedule. (a number of at least 0.0)")
                .contains("default: 5.0E-5");
        assertThat(estimator.explainParam(estimator.targetModules())).contains("default: all-linear");
        assertThat(estimator.explainParam(estimator.lrSchedulerKwargs())).contains("default: {}");
        assertThatThrownBy(() -> estimator.setLrSchedulerKwargs("power"))
                .hasMessageStartingWith("QLORA-P003: q: lrSchedulerKwargs is power; allowed: options of the schedule");
        assertThat(estimator.bnb4bitUseDoubleQuant().name()).isEqualTo("bnb4bitUseDoubleQuant");
        assertThat(estimator.isDefined(estimator.groupsPerDevice())).isFalse();
    }

    @Test
    void aValueThatIsNotAllowedIsRefusedWithWhatIs() {
        assertThatThrownBy(() -> estimator.setLearningRate(-1))
                .hasMessage("QLORA-P003: q: learningRate is -1.0; allowed: a number of at least 0.0");
        assertThatThrownBy(() -> estimator.setOptim("adafactor"))
                .hasMessageStartingWith("QLORA-P003: q: optim is adafactor; allowed: one of adamw_torch");
        assertThatThrownBy(() -> new ParamMap().put(estimator.r().w(0)))
                .hasMessage("QLORA-P003: q: r is 0; allowed: a whole number of at least 1");
        assertThatThrownBy(() -> estimator.setMaxNewTokens(0))
                .hasMessage("QLORA-P003: q: maxNewTokens is 0; allowed: a whole number of at least 1");
        assertThatThrownBy(() -> new QLoraEstimator("q").setOutputDir("out").fit(spark.emptyDataFrame()))
                .hasMessageStartingWith("QLORA-P111: q: inputIdsCol names 'input_ids', which the dataset doesn't have");
        assertThatThrownBy(() -> new QLoraEstimator("q")
                        .setOutputDir("out")
                        .fit(spark.createDataFrame(java.util.List.of(), TOKENS)))
                .hasMessageStartingWith("QLORA-P110: q: modelNameOrPath is not set (The base checkpoint");
    }

    @Test
    void eightBitsAreInPlaceOfFour() {
        estimator.setLoadIn8bit(true).setLlmInt8Threshold(5);
        JobConfigBuilder job = JobConfig.builder().set(DataKeys.DATASET, "rows");
        estimator.keyParams().copyTo(estimator, job);
        assertThat(job.build().get(QuantizationKeys.LOAD_IN_4BIT)).isFalse();
        assertThat(job.build().get(QuantizationKeys.LLM_INT8_THRESHOLD)).isEqualTo(5);
        estimator.setLoadIn4bit(true);
        estimator.keyParams().copyTo(estimator, job);
        assertThatThrownBy(job::build).hasMessageStartingWith("QLORA-P155: load_in_4bit and load_in_8bit are both set");
    }

    @Test
    void aSchemaIsCheckedBeforeAnythingIsDone() {
        assertThat(estimator.transformSchema(TOKENS).simpleString())
                .endsWith("labels:array<int>,loss:double,num_target_tokens:bigint>");
        assertThat(estimator
                        .copy(new ParamMap().put(estimator.lossCol(), "").put(estimator.generatedCol(), "answer"))
                        .transformSchema(TOKENS)
                        .simpleString())
                .endsWith("labels:array<int>,answer:string>");
        assertThatThrownBy(() -> estimator.transformSchema(StructType.fromDDL("input_ids STRING")))
                .hasMessage("QLORA-P112: q: the column 'input_ids' (inputIdsCol) is of type string, wanted is "
                        + "array<int>; name another column or convert it");
        assertThatThrownBy(() -> estimator.transformSchema(TOKENS.add("loss", "double")))
                .hasMessageStartingWith("QLORA-P113: q: lossCol is 'loss', which the dataset has already");
        assertThatThrownBy(() -> estimator
                        .copy(new ParamMap().put(estimator.lossCol(), ""))
                        .transformSchema(TOKENS))
                .hasMessageStartingWith("QLORA-P114: q: lossCol and generatedCol are empty");
        ChatTokenizer tokenizer = TestStages.tokenizer();
        assertThatThrownBy(() -> tokenizer.transformSchema(StructType.fromDDL("chat STRING")))
                .hasMessageStartingWith("QLORA-D053: the dataset has none of the columns");
        assertThatThrownBy(() -> tokenizer.transformSchema(StructType.fromDDL("text STRING, labels STRING")))
                .hasMessageEndingWith("labelsCol is 'labels', which the dataset has already; drop that column, or set "
                        + "labelsCol to another name");
        assertThatThrownBy(() -> new PerplexityEvaluator("p").evaluate(spark.emptyDataFrame()))
                .hasMessageStartingWith("QLORA-P111: p: lossCol names 'loss'");
        assertThatThrownBy(() -> new PerplexityEvaluator("p")
                        .evaluate(spark.sql("SELECT CAST(NULL AS DOUBLE) AS loss, 0L AS num_target_tokens")))
                .hasMessageStartingWith("QLORA-P115: p: no row of the dataset has a loss in 'loss'");
    }

    @Test
    void stagesAreSavedAndReadWithTheirParams() throws IOException {
        estimator
                .setLearningRate(2e-4)
                .setR(16)
                .setSeed(7)
                .setPacking(false)
                .setTargetModules("[q_proj, v_proj]")
                .setExcludeModules("[v_proj]")
                .setLayersToTransform("[0, 2]")
                .setGroupsPerDevice(2);
        estimator.save(dir.resolve("e").toString());
        same(QLoraEstimator.load(dir.resolve("e").toString()), estimator);
        assertThat(TargetModules.names(java.util.List.of("q_proj", "v_proj")).toConfigValue())
                .hasToString(estimator.getOrDefault(estimator.targetModules()));
        ChatTokenizer tokenizer = TestStages.tokenizer().setAddGenerationPrompt(true);
        tokenizer.save(dir.resolve("t").toString());
        same(ChatTokenizer.load(dir.resolve("t").toString()), tokenizer);
        PerplexityEvaluator evaluator = new PerplexityEvaluator().setLossCol("l");
        evaluator.save(dir.resolve("p").toString());
        same(PerplexityEvaluator.load(dir.resolve("p").toString()), evaluator);
        assertThat(evaluator.isLargerBetter()).isFalse();
        assertThat(evaluator.copy(ParamMap.empty()).uid()).isEqualTo(evaluator.uid());
    }

    private static void same(Params read, Params written) {
        assertThat(read.uid()).isEqualTo(written.uid());
        assertThat(read.explainParams()).isEqualTo(written.explainParams());
    }
}
