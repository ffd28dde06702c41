// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.internal.doctor.Doctor;
import io.sparkqlora.pipeline.internal.doctor.Finding;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code qlora doctor}. */
@Command(
        name = "doctor",
        description =
                "Looks at Java, Spark, Delta, RAPIDS, driver, GPU, kernels, native libraries, memory and filesystems, and says in "
                        + "a line each what is wrong and how to mend it. With a job, at what it names, too. Exit code 2 where something is wrong.")
final class DoctorCommand extends QLoraCommand {

    private static final int WRONG = 2;

    @Mixin
    JobOptions options;

    DoctorCommand(Console console) {
        super(console);
    }

    @Override
    Map<String, Object> execute() {
        boolean job = options.job != null || !options.set.isEmpty();
        List<Finding> findings = Doctor.examine(job ? options.config() : null);
        findings.forEach(this::print);
        Map<String, Object> outcome = new LinkedHashMap<>();
        if (findings.stream().anyMatch(finding -> finding.state() == Finding.State.WRONG)) {
            outcome.put("status", "wrong");
        }
        outcome.put("findings", findings.stream().map(DoctorCommand::values).toList());
        return outcome;
    }

    @Override
    int exitCode(Map<String, Object> outcome) {
        return outcome.get("status").equals("wrong") ? WRONG : 0;
    }

    private static Map<String, String> values(Finding finding) {
        Map<String, String> values = new LinkedHashMap<>();
        values.put("part", finding.part());
        values.put("state", word(finding));
        values.put("says", finding.says());
        return values;
    }

    private static String word(Finding finding) {
        return finding.state().name().toLowerCase(Locale.ROOT);
    }

    private void print(Finding finding) {
        console.err().println(String.format("%-7s%-17s%s", word(finding), finding.part(), finding.says()));
    }
}
