// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.ml;

import io.sparkqlora.pipeline.AdapterKeys;
import io.sparkqlora.pipeline.DataKeys;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.ModelKeys;
import io.sparkqlora.pipeline.QuantizationKeys;
import io.sparkqlora.pipeline.RunKeys;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.TrainingKeys;
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
                .setModelNameOrPath(job.get(ModelKeys.MODEL_NAME_OR_PATH))
                .setOutputDir(job.get(RunKeys.OUTPUT_DIR))
                .setBackend(job.get(ModelKeys.BACKEND))
                .setBnb4bitComputeDtype(job.get(QuantizationKeys.BNB_4BIT_COMPUTE_DTYPE))
                .setR(job.get(AdapterKeys.R))
                .setLoraDropout(job.get(AdapterKeys.LORA_DROPOUT))
                .setLearningRate(job.get(TrainingKeys.LEARNING_RATE))
                .setMaxSeqLength(job.get(DataKeys.MAX_SEQ_LENGTH))
                .setPerDeviceTrainBatchSize(job.get(TrainingKeys.PER_DEVICE_TRAIN_BATCH_SIZE))
                .setGradientAccumulationSteps(job.get(TrainingKeys.GRADIENT_ACCUMULATION_STEPS))
                .setMaxSteps(job.get(TrainingKeys.MAX_STEPS))
                .setSaveSteps(job.get(TrainingKeys.MAX_STEPS));
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
