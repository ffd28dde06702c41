// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The one jar for spark-submit: what is in it, and that it is enough beside an installation of Spark with Delta. */
@Tag("slow")
class ShadedBundleIT {

    private static final List<String> OURS_AND_NATIVE =
            List.of("io/sparkqlora/", "ai/djl/", "com/sun/jna/", "jcuda/", "org/bytedeco/");

    private static Path jar;
    private static List<String> files;

    @TempDir
    Path dir;

    @BeforeAll
    static void open() throws IOException {
        try (Stream<Path> built = Files.list(Path.of("target"))) {
            jar = built.filter(file -> file.getFileName().toString().matches("spark-qlora_2\\.13-.*-bundle\\.jar"))
                    .findFirst()
                    .orElseThrow(() -> new AssertionError("no bundle: `mvn -Dshaded.skip=false package` makes it"))
                    .toAbsolutePath();
        }
        files = files(jar);
    }

    @Test
    void isEnoughOnAClusterWithDelta() throws Exception {
        JobConfig job = TestJobs.small(dir.resolve("out"))
                .set(
                        "dataset",
                        TestJobs.conversations(dir.resolve("data.jsonl"), 20).toString())
                .build();
        SparkSubmit.Ended trained = SparkSubmit.withDelta(dir)
                .run("local-cluster[1,2,1024]", List.of(), jar.toString(), "train", job, Map.of());
        assertThat(trained.code()).as(trained.err()).isZero();
        assertThat(trained.outcome().get("status").asText()).isEqualTo("ok");
        assertThat(trained.outcome().get("steps").asLong()).isEqualTo(5);
    }

    @Test
    void itsClassesAreOursOrKeepTheirNamesForTheSakeOfNativeCode() {
        assertThat(classes(files))
                .isNotEmpty()
                .allMatch(name -> OURS_AND_NATIVE.stream().anyMatch(name::startsWith), "in an allowed package")
                .contains(
                        "io/sparkqlora/pipeline/Main.class",
                        "io/sparkqlora/shaded/picocli/CommandLine.class",
                        "io/sparkqlora/shaded/snakeyaml/Yaml.class",
                        "com/sun/jna/Native.class",
                        "jcuda/driver/JCudaDriver.class");
    }

    @Test
    void hasNothingThatSparkOrDeltaHas() throws IOException {
        Set<String> theirs = new HashSet<>();
        for (Path other : SparkSubmit.sparkAndDelta()) {
            theirs.addAll(classes(files(other)));
        }
        assertThat(theirs).contains("scala/Option.class", "io/delta/tables/DeltaTable.class");
        assertThat(classes(files)).doesNotContainAnyElementsOf(theirs);
    }

    @Test
    void everyFileIsThereOnce() {
        assertThat(files).doesNotHaveDuplicates();
    }

    @Test
    void hasLicencesAndServicesAndNoSignature() throws IOException {
        assertThat(files)
                .contains("META-INF/LICENSE", "META-INF/NOTICE", "META-INF/THIRD-PARTY", "META-INF/AL2.0")
                .noneMatch(name -> name.matches("META-INF/.*\\.(SF|DSA|RSA)"))
                .noneMatch(name -> name.endsWith("module-info.class"));
        try (ZipFile zip = new ZipFile(jar.toFile())) {
            assertThat(text(zip, "META-INF/LICENSE")).contains("Apache License");
            assertThat(text(zip, "META-INF/services/com.fasterxml.jackson.core.JsonFactory"))
                    .contains("io.sparkqlora.shaded.jackson.dataformat.yaml.YAMLFactory");
            assertThat(text(zip, "META-INF/services/ai.djl.repository.zoo.ZooProvider")
                            .lines())
                    .hasSizeGreaterThan(1);
        }
    }

    @Test
    void nativeLibrariesAreThoseOfLinux() {
        assertThat(files.stream().filter(name -> name.matches(".*\\.(so|so\\.\\d+|dll|dylib|jnilib|a)")))
                .allMatch(name -> name.contains("linux-x86"), "of Linux on x86-64")
                .anyMatch(name -> name.endsWith("libdnnl.so.3"))
                .anyMatch(name -> name.endsWith("libtokenizers.so"))
                .anyMatch(name -> name.endsWith("libjnidispatch.so"))
                .anyMatch(name -> name.contains("libJCudaDriver"));
    }

    private static String text(ZipFile zip, String name) throws IOException {
        return new String(
                zip.getInputStream(zip.getEntry(name)).readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    }

    private static List<String> classes(List<String> names) {
        return names.stream()
                .filter(name -> name.endsWith(".class") && !name.startsWith("META-INF/"))
                .filter(name -> !name.equals("module-info.class"))
                .toList();
    }

    private static List<String> files(Path archive) throws IOException {
        try (ZipFile zip = new ZipFile(archive.toFile())) {
            return zip.stream()
                    .filter(entry -> !entry.isDirectory())
                    .map(ZipEntry::getName)
                    .toList();
        }
    }
}
