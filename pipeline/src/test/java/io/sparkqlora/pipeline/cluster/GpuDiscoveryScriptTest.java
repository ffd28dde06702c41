// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.cluster;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The script that the bundle brings. That Spark takes what it prints, {@link StandaloneCluster} shows. */
class GpuDiscoveryScriptTest {

    private static final String SCRIPT =
            Path.of("src/assembly/bin/gpu-discovery.sh").toAbsolutePath().toString();

    @TempDir
    Path dir;

    private record Ended(int code, String out, String err) {}

    @BeforeEach
    void noDriver() throws IOException {
        Files.createDirectories(dir.resolve("bin"));
        Files.createDirectories(dir.resolve("proc"));
    }

    @Test
    void printsTheNumbersThatNvidiaSmiShows() throws Exception {
        nvidiaSmi("[ \"$*\" = '--query-gpu=index --format=csv,noheader' ] && printf '0\\n1\\n3\\n'");
        assertThat(run(Map.of()).out()).isEqualTo("{\"name\":\"gpu\",\"addresses\":[\"0\",\"1\",\"3\"]}\n");
    }

    @Test
    void countsTheDriversListWhereThereAreNoTools() throws Exception {
        gpus("0000:0a:00.0", "0000:1b:00.0");
        assertThat(run(Map.of()).out()).isEqualTo("{\"name\":\"gpu\",\"addresses\":[\"0\",\"1\"]}\n");
    }

    @Test
    void asksTheDriverWhereNvidiaSmiFails() throws Exception {
        nvidiaSmi("echo 'NVML: Driver/library version mismatch'; exit 18");
        gpus("0000:0a:00.0");
        assertThat(run(Map.of()).out()).isEqualTo("{\"name\":\"gpu\",\"addresses\":[\"0\"]}\n");
    }

    @Test
    void countsWhatCudaWillShow() throws Exception {
        gpus("0000:0a:00.0", "0000:1b:00.0", "0000:2c:00.0");
        assertThat(run(Map.of("CUDA_VISIBLE_DEVICES", "2,GPU-8f3a")).out())
                .isEqualTo("{\"name\":\"gpu\",\"addresses\":[\"0\",\"1\"]}\n");
        assertThat(run(Map.of("CUDA_VISIBLE_DEVICES", "1,-1,0")).out())
                .isEqualTo("{\"name\":\"gpu\",\"addresses\":[\"0\"]}\n");
    }

    @Test
    void noGpuIsAnErrorThatSaysWhereItLooked() throws Exception {
        nvidiaSmi("echo 'No devices were found'");
        gpus("0000:0a:00.0");
        Ended ended = run(Map.of("CUDA_VISIBLE_DEVICES", ""));
        assertThat(ended.code()).isEqualTo(1);
        assertThat(ended.out()).isEmpty();
        assertThat(ended.err()).contains("gpu-discovery: neither CUDA_VISIBLE_DEVICES, nvidia-smi nor ", "driver");
        assertThat(run(Map.of()).code()).isEqualTo(1);
    }

    private void nvidiaSmi(String body) throws IOException {
        Path file = dir.resolve("bin/nvidia-smi");
        Files.writeString(file, "#!/bin/sh\n" + body + "\n");
        assertThat(file.toFile().setExecutable(true)).isTrue();
    }

    private void gpus(String... addresses) throws IOException {
        for (String address : addresses) {
            Files.createDirectories(dir.resolve("proc/gpus").resolve(address));
        }
    }

    private Ended run(Map<String, String> environment) throws Exception {
        Path out = dir.resolve("out");
        Path err = dir.resolve("err");
        ProcessBuilder builder = new ProcessBuilder("/bin/sh", SCRIPT)
                .redirectOutput(out.toFile())
                .redirectError(err.toFile());
        builder.environment().clear();
        builder.environment().put("PATH", dir.resolve("bin").toString());
        builder.environment().put("QLORA_PROC_DRIVER", dir.resolve("proc").toString());
        builder.environment().putAll(environment);
        int code = builder.start().waitFor();
        return new Ended(
                code, Files.readString(out, StandardCharsets.UTF_8), Files.readString(err, StandardCharsets.UTF_8));
    }
}
