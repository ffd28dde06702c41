// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.sparkqlora.kernels.QLoraException;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.function.Executable;

/**
 * Numbers agree with transformers, peft and bitsandbytes in F32, and in BF16 and F16 as far as those go, on every model of a folder whose family is supported:
 * {@code -Dqlora.parity.dir=FOLDER}, by default the test resources {@code parity} (see the README there).
 */
class ParityTest {

    /** Codes of errors that say "not supported", and nothing else. */
    private static final Set<String> NOT_SUPPORTED = Set.of("QLORA-T005", "QLORA-T006", "QLORA-T007");

    @TestFactory
    Stream<DynamicNode> models() throws IOException, URISyntaxException {
        Path folder = folder();
        List<DynamicNode> nodes = new ArrayList<>();
        int supported = 0;
        for (Path model : modelFolders(folder)) {
            String refusal = refusal(model);
            supported += refusal == null ? 1 : 0;
            nodes.add(refusal == null ? checks(model) : skipped(model, refusal));
        }
        int count = supported;
        nodes.add(dynamicTest("some model of " + folder + " is supported", () -> assertThat(count)
                .as("supported models among the folders of " + folder)
                .isPositive()));
        return nodes.stream();
    }

    private static Path folder() throws URISyntaxException {
        String property = System.getProperty("qlora.parity.dir");
        return property != null && !property.isBlank()
                ? Path.of(property)
                : Path.of(ParityTest.class.getResource("/parity").toURI());
    }

    private static List<Path> modelFolders(Path folder) throws IOException {
        try (Stream<Path> entries = Files.list(folder)) {
            return entries.filter(entry -> Files.exists(entry.resolve("config.json")))
                    .sorted()
                    .toList();
        }
    }

    /** Why a model can't be run, or null. A model that is damaged is no reason to skip it. */
    private static String refusal(Path model) {
        try {
            ModelConfig.parse(model.resolve("config.json"));
            return null;
        } catch (QLoraException e) {
            if (NOT_SUPPORTED.contains(e.code())) {
                return e.getMessage();
            }
            throw e;
        }
    }

    private static DynamicNode skipped(Path model, String refusal) {
        return dynamicTest(model.getFileName() + " (skipped)", () -> Assumptions.abort(refusal));
    }

    private static DynamicNode checks(Path model) {
        if (ModelConfig.parse(model.resolve("config.json")).quantization() != null) {
            return check(model.getFileName() + ": logits and loss of stored weights", model, ParityChecks::stored);
        }
        return dynamicContainer(
                model.getFileName().toString(),
                Stream.of(
                        check("base logits and loss", model, ParityChecks::base),
                        check("NF4 logits and loss", model, ParityChecks::nf4),
                        check("LoRA logits and loss", model, ParityChecks::lora),
                        check("LoRA gradients", model, ParityChecks::gradients),
                        check("training run and exported adapter", model, ParityChecks::training),
                        check("BF16 losses and training run", model, ParityChecks::bf16),
                        check("F16 losses and training run", model, ParityChecks::f16)));
    }

    private interface Check {
        void run(ParityChecks checks) throws IOException;
    }

    private static DynamicNode check(String name, Path model, Check check) {
        Executable run = () -> {
            try (ParityChecks checks = new ParityChecks(model)) {
                check.run(checks);
            }
        };
        return dynamicTest(name, run);
    }
}
