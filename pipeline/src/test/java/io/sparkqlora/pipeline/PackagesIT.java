// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * {@code spark-submit --packages}: Ivy resolves the published artifacts, out of a repository in a folder with the modules' jars
 * and poms as they are deployed; what they depend on comes from the local repository that built them, without a network.
 */
@Tag("slow")
class PackagesIT {

    private static final String GROUP = "io.github.spark-qlora";
    private static final String VERSION = "0.1.0-SNAPSHOT";
    private static final Map<String, String> MODULES = Map.of(
            "spark-qlora-parent_2.13", "..",
            "spark-qlora-kernels_2.13", "../kernels",
            "spark-qlora-train_2.13", "../train-udf",
            "spark-qlora-tokenize_2.13", "../tokenize",
            "spark-qlora_2.13", ".");

    @TempDir
    Path dir;

    @Test
    void bringsWhatSparkLacksAndNothingElse() throws Exception {
        SparkSubmit.Ended trained = SparkSubmit.in(dir)
                .run(
                        "local-cluster[1,2,1024]",
                        List.of(
                                "--class",
                                "io.sparkqlora.pipeline.Main",
                                "--packages",
                                GROUP + ":spark-qlora_2.13:" + VERSION + ",io.delta:delta-spark_2.13:"
                                        + io.delta.package$.MODULE$.VERSION()),
                        "spark-internal",
                        "train",
                        job(),
                        Map.of(
                                "spark.jars.ivy", dir.resolve("ivy").toString(),
                                "spark.jars.ivySettings", settings(deployed()).toString()));
        assertThat(trained.code()).as(trained.out() + trained.err()).isZero();
        assertThat(trained.outcome().get("steps").asLong()).isEqualTo(5);
        assertThat(resolved())
                .containsExactlyInAnyOrder(
                        "io.github.spark-qlora_spark-qlora_2.13",
                        "io.github.spark-qlora_spark-qlora-kernels_2.13",
                        "io.github.spark-qlora_spark-qlora-train_2.13",
                        "io.github.spark-qlora_spark-qlora-tokenize_2.13",
                        "ai.djl_api",
                        "ai.djl.huggingface_tokenizers",
                        "com.fasterxml.jackson.dataformat_jackson-dataformat-yaml",
                        "info.picocli_picocli",
                        "net.java.dev.jna_jna",
                        "org.bytedeco_dnnl",
                        "org.bytedeco_dnnl-linux-x86_64",
                        "org.bytedeco_javacpp",
                        "org.bytedeco_javacpp-linux-x86_64",
                        "org.bytedeco_opencl",
                        "org.bytedeco_opencl-linux-x86_64",
                        "org.jcuda_jcuda",
                        "org.jcuda_jcuda-natives-linux-x86_64",
                        "org.yaml_snakeyaml",
                        // Delta's
                        "io.delta_delta-spark_2.13",
                        "io.delta_delta-storage",
                        "org.antlr_antlr4-runtime");
    }

    private JobConfig job() {
        return TestJobs.small(dir.resolve("out"))
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 20).toString())
                .build();
    }

    /** Groups and names of the jars that Ivy found, without their versions. */
    private List<String> resolved() throws IOException {
        try (Stream<Path> jars = Files.list(dir.resolve("ivy/jars"))) {
            return jars.map(jar -> jar.getFileName()
                            .toString()
                            .replaceFirst("-\\d+(\\.\\d+)+(-\\d+(\\.\\d+)+)?(-SNAPSHOT)?", ""))
                    .map(name -> name.replace(".jar", ""))
                    .toList();
        }
    }

    /** The modules as {@code mvn deploy} lays them out. */
    private Path deployed() throws IOException {
        Path repository = dir.resolve("repository");
        for (Map.Entry<String, String> module : MODULES.entrySet()) {
            String name = module.getKey();
            Path folder = Files.createDirectories(
                    repository.resolve(GROUP.replace('.', '/')).resolve(name).resolve(VERSION));
            Files.copy(Path.of(module.getValue(), "pom.xml"), folder.resolve(name + "-" + VERSION + ".pom"));
            Path jar = SparkSubmit.BUNDLE.resolve("lib/" + name + "-" + VERSION + ".jar");
            if (Files.exists(jar)) {
                Files.copy(jar, folder.resolve(jar.getFileName()));
            }
        }
        return repository;
    }

    private Path settings(Path repository) throws IOException {
        return Files.writeString(
                dir.resolve("ivysettings.xml"),
                """
                <ivysettings>
                  <settings defaultResolver="both"/>
                  <resolvers>
                    <chain name="both">
                      <ibiblio name="deployed" m2compatible="true" root="%s"/>
                      <ibiblio name="local" m2compatible="true" root="%s"/>
                    </chain>
                  </resolvers>
                </ivysettings>
                """
                        .formatted(
                                repository.toUri(),
                                Path.of(System.getProperty("qlora.test.repository"))
                                        .toUri()));
    }
}
