// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.doctor;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.JobConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * Looks at everything that a job needs of this machine, without a job and without Spark's session, and says of each part in one line
 * what there is or how to mend it.
 */
public final class Doctor {

    private Doctor() {}

    /** One part, and how it is looked at. */
    record Check(String part, Supplier<Finding> look) {

        /** What was found; a look that fails is a finding too. */
        Finding run() {
            try {
                return look.get();
            } catch (QLoraException e) {
                return Finding.wrong(part, e.getMessage());
            } catch (LinkageError e) {
                return Finding.wrong(
                        part,
                        line(e) + ": a library is missing, or another version comes first on the class path; start with"
                                + " ./qlora or the shaded bundle, which bring those that fit together");
            } catch (RuntimeException e) {
                return Finding.wrong(part, "could not be looked at: " + line(e) + "; run the command with --debug");
            }
        }

        private static String line(Throwable e) {
            String message = e.getMessage() == null
                    ? ""
                    : e.getMessage().lines().findFirst().orElse("");
            return (e.getClass().getSimpleName() + " " + message).strip();
        }
    }

    /**
     * Looks at this machine, and at what a job names.
     *
     * @param job the job, or null for the machine alone
     */
    public static List<Finding> examine(JobConfig job) {
        List<Check> checks = new ArrayList<>(Stream.of(Software.checks(), Machine.checks(), Gpu.checks(job))
                .flatMap(List::stream)
                .toList());
        if (job != null) {
            checks.addAll(JobParts.checks(job));
        }
        return checks.stream().map(Check::run).toList();
    }
}
