// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.PipelineErrors;
import io.sparkqlora.pipeline.internal.job.AdapterChoice;
import io.sparkqlora.pipeline.internal.job.Demo;
import io.sparkqlora.pipeline.internal.job.ExactMatch;
import io.sparkqlora.pipeline.internal.job.RunChoice;
import io.sparkqlora.pipeline.internal.job.TrainJob;
import io.sparkqlora.pipeline.internal.job.Workspace;
import io.sparkqlora.pipeline.internal.run.RunRecord;
import io.sparkqlora.pipeline.internal.tables.Table;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code qlora demo}. */
@Command(name = "demo", description = "Tunes the small model that comes with the project and shows what that changed.")
final class DemoCommand extends QLoraCommand {

    private static final int SHOWN = 6;

    @Option(names = "--demo-dir", paramLabel = "FOLDER", description = "Where base/ and data/ lie.")
    Path folder;

    @Option(names = "--out", paramLabel = "FOLDER", description = "Where the tables go. Default: ${DEFAULT-VALUE}.")
    Path out = Path.of("qlora-demo");

    @Option(
            names = {"-s", "--set"},
            paramLabel = "KEY=VALUE",
            description = "Sets a key of the demo's job. Repeatable.")
    List<String> set = new ArrayList<>();

    DemoCommand(Console console) {
        super(console);
    }

    @Override
    Map<String, Object> execute() {
        long begin = System.nanoTime();
        Demo demo = new Demo(find(), out);
        JobConfig config = demo.job(set);
        ProgressLine progress = new ProgressLine(console.err(), System.console() != null);
        try (LocalSession session = LocalSession.open()) {
            Workspace work = Workspace.open(session.spark(), config, progress);
            RunRecord run = TrainJob.train(work);
            progress.endLine();
            AdapterChoice choice = RunChoice.of(work, run.inputs().runId(), null, null);
            choice.export(demo.adapterFolder());
            ExactMatch match = ExactMatch.measure(choice, demo.heldout());
            print(match, demo, work);
            Map<String, Object> outcome = new LinkedHashMap<>(TrainCommand.outcome(work, run));
            outcome.put("exact_match_before", match.before());
            outcome.put("exact_match_after", match.after());
            outcome.put("heldout_rows", match.questions().size());
            outcome.put("adapter_path", demo.adapterFolder().toAbsolutePath().toString());
            outcome.put("seconds", (System.nanoTime() - begin) / 1_000_000_000L);
            return outcome;
        }
    }

    /** Beside the launcher's bundle, in a source checkout, or in the working directory. */
    private Path find() {
        String home = System.getProperty("qlora.home", ".");
        List<Path> places = folder != null
                ? List.of(folder)
                : Stream.of(home + "/demo", home + "/../../../demo", "demo")
                        .map(Path::of)
                        .toList();
        return places.stream()
                .filter(place -> Files.isRegularFile(place.resolve("base/config.json")))
                .findFirst()
                .orElseThrow(() -> PipelineErrors.demoMissing(places.toString()));
    }

    private void print(ExactMatch match, Demo demo, Workspace work) {
        int width = match.questions().stream()
                .limit(SHOWN)
                .mapToInt(String::length)
                .max()
                .orElse(0);
        console.out().println();
        for (int i = 0; i < Math.min(SHOWN, match.questions().size()); i++) {
            console.out()
                    .println(String.format(
                            Locale.ROOT,
                            "%-" + Math.max(1, width) + "s  base: %-34s tuned: %s",
                            match.questions().get(i),
                            cut(match.baseAnswers().get(i)),
                            cut(match.tunedAnswers().get(i))));
        }
        console.out()
                .println(String.format(
                        Locale.ROOT,
                        "%nexact match on %d held-out rows: %.1f %% before, %.1f %% after",
                        match.questions().size(),
                        100 * match.before(),
                        100 * match.after()));
        console.out().println("tables:  " + work.tables().path(Table.METRICS) + " and its neighbours");
        console.out().println("adapter: " + demo.adapterFolder());
        console.out().println("job:     ./qlora train --config " + demo.jobFile());
    }

    private static String cut(String answer) {
        String line = answer.replace("\n", "\\n").strip();
        return line.length() <= 32 ? line : line.substring(0, 31) + "…";
    }
}
