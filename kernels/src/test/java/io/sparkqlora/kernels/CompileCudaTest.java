// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The script that compiles the CUDA kernels, with and without a compiler. */
class CompileCudaTest {

    private static final String SCRIPT =
            Path.of("src/build/compile-cuda.sh").toAbsolutePath().toString();

    @TempDir
    Path dir;

    private Path sources;
    private Path target;

    @BeforeEach
    void aKernel() throws IOException {
        sources = Files.createDirectories(dir.resolve("cuda"));
        target = Files.createDirectories(dir.resolve("classes"));
        Files.writeString(sources.resolve("sum.cu"), "first");
        Files.writeString(sources.resolve("common.cuh"), "");
    }

    @Test
    void withoutNvccTheBuildGoesOnWithoutKernelsAndSaysSo() throws Exception {
        Files.writeString(target.resolve("sum.fatbin"), "of an earlier build");
        assertThat(compile("/no/such/nvcc"))
                .startsWith("WARNING: no nvcc on the PATH (nor in NVCC): backend cuda is not in this build.");
        assertThat(target).isEmptyDirectory();
    }

    @Test
    void compilesWhatIsNewAndForgetsWhatIsGone() throws Exception {
        String nvcc = nvcc();
        assertThat(compile(nvcc)).isEqualTo("nvcc sum.cu\n");
        assertThat(compile(nvcc)).isEmpty();
        Files.writeString(sources.resolve("common.cuh"), "changed");
        assertThat(compile(nvcc)).isEqualTo("nvcc sum.cu\n");
        Files.move(sources.resolve("sum.cu"), sources.resolve("mean_sm90.cu"));
        assertThat(compile(nvcc)).isEqualTo("nvcc mean_sm90.cu\n");
        assertThat(target).isDirectoryContaining("glob:**mean_sm90.fatbin");
        assertThat(target.resolve("sum.fatbin")).doesNotExist();
        // instructions that Hopper alone has are not compiled for others
        assertThat(target.resolve("mean_sm90.fatbin"))
                .content()
                .contains("sm_90a")
                .doesNotContain("compute_80");
    }

    @Test
    void compilesSomeForEachTypeOf16Bits() throws Exception {
        Files.move(sources.resolve("sum.cu"), sources.resolve("rope.cu"));
        assertThat(compile(nvcc())).isEqualTo("nvcc rope.cu\nnvcc rope_f16.cu\n");
        assertThat(target.resolve("rope.fatbin")).content().doesNotContain("QLORA_F16");
        assertThat(target.resolve("rope_f16.fatbin")).content().contains("-DQLORA_F16", "compute_80");
        assertThat(compile(nvcc())).isEmpty();
        Files.delete(sources.resolve("rope.cu"));
        compile(nvcc());
        assertThat(target).isEmptyDirectory();
    }

    /** A compiler that writes its arguments. */
    private String nvcc() throws IOException {
        Path file = dir.resolve("nvcc");
        Files.writeString(
                file,
                "#!/bin/bash\nfor ((i = 1; i < $#; i++)); do [ \"${!i}\" = -o ] && o=$((i + 1)); done\necho \"$@\" > \"${!o}\"\n");
        assertThat(file.toFile().setExecutable(true)).isTrue();
        return file.toString();
    }

    private String compile(String nvcc) throws Exception {
        return compile(dir, nvcc);
    }

    private static String compile(Path tree, String nvcc) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(
                        "bash",
                        SCRIPT,
                        tree.resolve("cuda").toString(),
                        tree.resolve("classes").toString(),
                        tree.resolve("stamps").toString())
                .redirectErrorStream(true);
        builder.environment().put("NVCC", nvcc);
        builder.environment().remove("SKIP_CUDA");
        Process process = builder.start();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(out).isZero();
        return out;
    }
}
