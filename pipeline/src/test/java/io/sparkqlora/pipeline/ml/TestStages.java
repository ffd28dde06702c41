// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import io.sparkqlora.pipeline.ConfigKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import java.nio.file.Path;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;

/** Stages that do what {@link TestJobs#small} says. */
final class TestStages {

    private TestStages() {}

    static ChatTokenizer tokenizer() {
        return new ChatTokenizer()
                .setModelNameOrPath(TestJobs.base().toString())
                .setMaxSeqLength(32);
    }

    static QLoraEstimator estimator(Path output) {
        JobConfig job = TestJobs.small(output).build();
        return new QLoraEstimator()
                .setModelNameOrPath(job.get(ConfigKeys.MODEL_NAME_OR_PATH))
                .setOutputDir(job.get(ConfigKeys.OUTPUT_DIR))
                .setBackend(job.get(ConfigKeys.BACKEND))
                .setBnb4bitComputeDtype(job.get(ConfigKeys.BNB_4BIT_COMPUTE_DTYPE))
                .setR(job.get(ConfigKeys.R))
                .setLoraDropout(job.get(ConfigKeys.LORA_DROPOUT))
                .setLearningRate(job.get(ConfigKeys.LEARNING_RATE))
                .setMaxSeqLength(job.get(ConfigKeys.MAX_SEQ_LENGTH))
                .setPerDeviceTrainBatchSize(job.get(ConfigKeys.PER_DEVICE_TRAIN_BATCH_SIZE))
                .setGradientAccumulationSteps(job.get(ConfigKeys.GRADIENT_ACCUMULATION_STEPS))
                .setMaxSteps(job.get(ConfigKeys.MAX_STEPS))
                .setSaveSteps(job.get(ConfigKeys.MAX_STEPS));
    }

    static Pipeline pipeline(PipelineStage... stages) {
        return new Pipeline().setStages(stages);
    }

    /** The adapter's model at the end of a pipeline. */
    static QLoraModel last(PipelineModel model) {
        return (QLoraModel) model.stages()[model.stages().length - 1];
    }

    static Dataset<Row> rows(Path file) {
        return TestSpark.session().read().json(file.toString());
    }
}
