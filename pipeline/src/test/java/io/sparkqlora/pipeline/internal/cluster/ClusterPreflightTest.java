// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cluster;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.ClusterErrors;
import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.TestJobs;
import io.sparkqlora.pipeline.TestSpark;
import io.sparkqlora.pipeline.internal.data.BaseModel;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.spark.SparkConf;
import org.apache.spark.SparkContext;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ClusterPreflightTest {

    private static final String GB = "000000000";

    private static SparkConf conf(String... settings) {
        SparkConf conf = new SparkConf(false).set("spark.master", "spark://head:7077");
        for (int i = 0; i < settings.length; i += 2) {
            conf.set(settings[i], settings[i + 1]);
        }
        return conf;
    }

    private static AbstractThrowableAssert<?, ?> refused(
            String code, QLoraException.Kind kind, ThrowingCallable check) {
        return assertThatThrownBy(check)
                .isInstanceOfSatisfying(
                        QLoraException.class, e -> assertThat(e.kind()).isEqualTo(kind))
                .hasMessageStartingWith(code + ": ")
                .hasMessageNotContaining("\n");
    }

    private static JobConfig ranks(int numProcesses, String backend) {
        return TestJobs.small(Path.of("out"))
                .set("num_processes", numProcesses)
                .set("backend", backend)
                .build();
    }

    private static JobConfig groups(String backend) {
        return ranks(1, backend).toBuilder().set("group_by", "tenant").build();
    }

    @Test
    void executorsThatComeAndGoAreRefused() {
        SparkConf conf = conf("spark.dynamicAllocation.enabled", "true");
        refused("QLORA-P070", QLoraException.Kind.CONFIG, () -> BarrierSettings.require(conf, ranks(4, "auto")))
                .hasMessageContaining("4 ranks")
                .hasMessageContaining("set spark.dynamicAllocation.enabled=false");
        conf.set("spark.master", "local[4]");
        assertThatCode(() -> BarrierSettings.require(conf, ranks(4, "auto"))).doesNotThrowAnyException();
    }

    /** Without dynamic allocation, Spark's own cluster managers grant a stage's requests. */
    @ParameterizedTest
    @ValueSource(strings = {"spark://head:7077", "k8s://https://head", "yarn", "local-cluster[2,4,1024]"})
    void trainingAsksForGpusThatTasksDoNotAskFor(String master) {
        SparkConf conf = conf("spark.executor.resource.gpu.amount", "2").set("spark.master", master);
        for (String backend : List.of("auto", "cuda")) {
            assertThat(TrainingProfile.wanted(conf, backend)).isTrue();
        }
        conf.set("spark.task.resource.gpu.amount", "0.25");
        assertThat(TrainingProfile.wanted(conf, "cuda")).isTrue();
        assertThatCode(() -> BarrierSettings.require(conf, ranks(2, "cuda"))).doesNotThrowAnyException();
        assertThatCode(() -> BarrierSettings.require(conf, groups("auto"))).doesNotThrowAnyException();
    }

    @Test
    void trainingAsksForNothingWhereThereIsNothingToAskForOrNobodyGrantsIt() {
        String executors = "spark.executor.resource.gpu.amount";
        String tasks = "spark.task.resource.gpu.amount";
        assertThat(TrainingProfile.wanted(conf(executors, "2"), "cpu")).isFalse();
        for (SparkConf conf : List.of(
                conf(),
                conf(executors, "2", tasks, "1"),
                conf(executors, "2", "spark.dynamicAllocation.enabled", "true"),
                conf(executors, "2").set("spark.master", "other://head"),
                conf(executors, "2").set("spark.master", "local[*]"))) {
            assertThat(TrainingProfile.wanted(conf, "cuda")).isFalse();
        }
    }

    @Test
    void ranksThatShareGpusAreRefused() {
        SparkConf conf = conf("spark.task.resource.gpu.amount", "0.25").set("spark.master", "other://head");
        refused("QLORA-P072", QLoraException.Kind.CONFIG, () -> BarrierSettings.require(conf, ranks(2, "cuda")))
                .hasMessageContaining("0.25, so that 4 tasks share a GPU")
                .hasMessageContaining("set spark.task.resource.gpu.amount=1");
        assertThatCode(() -> BarrierSettings.require(conf, ranks(2, "cpu"))).doesNotThrowAnyException();
        assertThatCode(() -> BarrierSettings.require(conf, ranks(1, "cuda"))).doesNotThrowAnyException();
        assertThatCode(() -> BarrierSettings.require(conf("spark.task.resource.gpu.amount", "1"), ranks(2, "cuda")))
                .doesNotThrowAnyException();
    }

    @ParameterizedTest
    @ValueSource(strings = {"cuda", "auto"})
    void groupsWhoseTasksShareGpusAreRefused(String backend) {
        SparkConf conf = conf(
                "spark.executor.resource.gpu.amount", "1",
                "spark.task.resource.gpu.amount", "0.5",
                "spark.dynamicAllocation.enabled", "true");
        refused("QLORA-P120", QLoraException.Kind.CONFIG, () -> BarrierSettings.require(conf, groups(backend)))
                .hasMessageContaining("is 0.5, so that 2 tasks share a GPU")
                .hasMessageContaining("set spark.task.resource.gpu.amount=1, and groups_per_device")
                .hasMessageContaining("without dynamic allocation, on a standalone cluster, YARN or Kubernetes");
        assertThatCode(() -> BarrierSettings.require(conf, groups("cpu"))).doesNotThrowAnyException();
        assertThatCode(() -> BarrierSettings.require(conf("spark.task.resource.gpu.amount", "1"), groups(backend)))
                .doesNotThrowAnyException();
    }

    /** Groups are no barrier stage: executors may come and go between waves. */
    @Test
    void groupsMayBeTrainedByExecutorsThatComeAndGo() {
        assertThatCode(() -> BarrierSettings.require(conf("spark.dynamicAllocation.enabled", "true"), groups("auto")))
                .doesNotThrowAnyException();
    }

    @Test
    void tasksThatWouldTakeTheSameGpuAreRefused() {
        refused("QLORA-P121", QLoraException.Kind.CONFIG, () -> BarrierSettings.requireGpuATask(conf(), 4, 2))
                .hasMessageContaining("4 tasks train side by side on 2 executors")
                .hasMessageContaining(
                        "set spark.executor.resource.gpu.amount=1, and each task of training asks for one")
                .hasMessageContaining("set spark.task.resource.gpu.amount=1, too");
        assertThatCode(() -> BarrierSettings.requireGpuATask(conf(), 2, 2)).doesNotThrowAnyException();
        assertThatCode(() -> BarrierSettings.requireGpuATask(conf("spark.task.resource.gpu.amount", "1"), 4, 2))
                .doesNotThrowAnyException();
    }

    @ParameterizedTest
    @ValueSource(strings = {"local", "local[*]", "local[2,3]"})
    void tasksThatAskALocalMasterForGpusAreRefused(String master) {
        SparkConf conf = conf("spark.task.resource.gpu.amount", "1").set("spark.master", master);
        refused("QLORA-P073", QLoraException.Kind.CONFIG, () -> BarrierSettings.require(conf, groups("auto")));
        refused("QLORA-P073", QLoraException.Kind.CONFIG, () -> BarrierSettings.require(conf, ranks(2, "auto")))
                .hasMessageContaining("spark.task.resource.gpu.amount is set, but the master is " + master)
                .hasMessageContaining("remove the setting");
    }

    @Test
    void executorsOfAnotherProcessMayHaveGpus() {
        SparkConf conf = conf("spark.task.resource.gpu.amount", "1").set("spark.master", "local-cluster[1,2,1024]");
        assertThatCode(() -> BarrierSettings.requireResourcesExist(conf)).doesNotThrowAnyException();
    }

    @Test
    void moreRanksThanSlotsAreRefusedAfterAWait() {
        Slots.TooFew tooFew =
                (tasks, slots, waited) -> ClusterErrors.tooFewSlots(tasks, slots, "spark://head:7077", waited);
        refused("QLORA-P071", QLoraException.Kind.CONFIG, () -> Slots.require(() -> 3, 4, 150, tooFew))
                .hasMessageContaining("num_processes is 4")
                .hasMessageContaining("spark://head:7077 have room for 3 tasks")
                .hasMessageContaining("lower num_processes");
    }

    @Test
    void executorsThatAreStartingAreWaitedFor() {
        AtomicInteger registered = new AtomicInteger();
        Slots.require(registered::incrementAndGet, 3, 60_000, (tasks, slots, waited) -> new IllegalStateException());
        assertThat(registered).hasValue(3);
    }

    @Test
    void aLocalSessionHasASlotACore() {
        SparkContext spark = TestSpark.session().sparkContext();
        assertThat(Slots.of(spark)).isEqualTo(4);
        BaseModel base = BaseModel.open(TestJobs.base());
        assertThatCode(() -> ClusterPreflight.check(spark, base, ranks(4, "cpu")))
                .doesNotThrowAnyException();
        refused("QLORA-P071", QLoraException.Kind.CONFIG, () -> ClusterPreflight.check(spark, base, ranks(5, "cpu")))
                .hasMessageContaining("local[4] have room for 4");
    }

    @Test
    void aPoolThatLeavesTooLittleIsRefused() {
        SparkConf conf = conf("spark.plugins", "a.B,com.nvidia.spark.SQLPlugin");
        refused(
                        "QLORA-P075",
                        QLoraException.Kind.RESOURCES,
                        () -> Rapids.requireRoom(conf, "cuda:0", bytes(60), bytes(50)))
                .hasMessageContaining("needs 60" + GB + " bytes, 50" + GB + " are free beside the plugin's pool")
                .hasMessageContaining("allocFraction is 1.0")
                .hasMessageContaining("set that to at most 1 - 60" + GB);
        assertThatCode(() -> Rapids.requireRoom(conf, "cuda:0", bytes(60), bytes(60)))
                .doesNotThrowAnyException();
    }

    @Test
    void withoutThePluginOrItsPoolTheUsualCheckSpeaks() {
        SparkConf none = conf("spark.rapids.memory.gpu.allocFraction", "1");
        SparkConf unpooled =
                conf("spark.plugins", "com.nvidia.spark.SQLPlugin", "spark.rapids.memory.gpu.pool", "NONE");
        for (SparkConf conf : List.of(none, unpooled)) {
            assertThatCode(() -> Rapids.requireRoom(conf, "cuda:0", bytes(60), bytes(50)))
                    .doesNotThrowAnyException();
        }
    }

    @Test
    void kryoThatCannotSendThePluginsBatchesIsRefused() {
        SparkConf conf = conf("spark.plugins", "com.nvidia.spark.SQLPlugin", "spark.kryo.registrator", "a.Ours")
                .set("spark.serializer", "org.apache.spark.serializer.KryoSerializer")
                .set("spark.kryo.registrationRequired", "true");
        String both = "com.nvidia.spark.rapids.GpuKryoRegistrator,a.Ours";
        refused("QLORA-P122", QLoraException.Kind.CONFIG, () -> Rapids.requireItsClasses(conf))
                .hasMessageContaining("registrationRequired is true")
                .hasMessageEndingWith("registrationRequired=false and spark.kryo.registrator=" + both);
        conf.set("spark.kryo.registrationRequired", "false");
        refused("QLORA-P122", QLoraException.Kind.CONFIG, () -> Rapids.requireItsClasses(conf))
                .hasMessageContaining("spark.kryo.registrator is a.Ours");
        conf.set("spark.kryo.registrator", both);
        assertThatCode(() -> Rapids.requireItsClasses(conf)).doesNotThrowAnyException();
        SparkConf explained =
                conf.clone().set("spark.kryo.registrationRequired", "true").set("spark.rapids.sql.mode", "explainOnly");
        SparkConf java = conf.clone().set("spark.serializer", "org.apache.spark.serializer.JavaSerializer");
        for (SparkConf other : List.of(explained, java)) {
            assertThatCode(() -> Rapids.requireItsClasses(other)).doesNotThrowAnyException();
        }
    }

    private static long bytes(int gigabytes) {
        return Long.parseLong(gigabytes + GB);
    }

    @Test
    void aBaseThatExecutorsLackIsRefused() {
        BaseModel base = BaseModel.open(TestJobs.base());
        var good = new BaseOnExecutors.Report("node1", base.fingerprint(), "");
        var blind = new BaseOnExecutors.Report("node3", "", "QLORA-T001: no folder");
        var other = new BaseOnExecutors.Report("node2", "abc", "");
        assertThatCode(() -> BaseOnExecutors.check(base, List.of(good, good))).doesNotThrowAnyException();
        refused(
                        "QLORA-P076",
                        QLoraException.Kind.INPUT,
                        () -> BaseOnExecutors.check(base, List.of(good, blind, other, blind)))
                .hasMessageContaining(base.folder() + " can be read by the driver but not by the executors on [node3]")
                .hasMessageContaining("(QLORA-T001: no folder)");
        refused("QLORA-P077", QLoraException.Kind.INPUT, () -> BaseOnExecutors.check(base, List.of(good, other)))
                .hasMessageContaining("is another base on [node2]");
        assertThat(BaseOnExecutors.Report.of(blind.text())).isEqualTo(blind);
    }
}
