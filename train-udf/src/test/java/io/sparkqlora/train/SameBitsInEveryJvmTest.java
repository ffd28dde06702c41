// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A run does not depend on how far the compiler has got: the same bits with the quick compiler alone, with the optimizing
 * one alone, and in this JVM. (Interpreted alone they are the same too, but that takes minutes.)
 */
class SameBitsInEveryJvmTest {

    private static final int STEPS = 6;

    @ParameterizedTest
    @CsvSource({
        "F32, -XX:TieredStopAtLevel=1",
        "F32, -XX:-TieredCompilation",
        "BF16, -XX:TieredStopAtLevel=1",
        "F16, -XX:TieredStopAtLevel=1"
    })
    void sameBits(ComputeType compute, String flag) throws IOException, InterruptedException, NoSuchAlgorithmException {
        List<String> lines = run(flag, AdapterHash.class.getName(), compute.name(), String.valueOf(STEPS));
        assertThat(lines).last().isEqualTo(AdapterHash.of(compute, STEPS));
    }

    private static List<String> run(String flag, String... mainAndArguments) throws IOException, InterruptedException {
        String classPath = System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                flag,
                "-cp",
                classPath));
        command.addAll(List.of(mainAndArguments));
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output.lines().toList();
    }
}
