// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.cli;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.pipeline.ConfigReference;
import io.sparkqlora.pipeline.internal.run.Interruption;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicBoolean;
import picocli.CommandLine;
import picocli.CommandLine.Command;

/** Parses the command line, runs the command, prints its outcome as the last line of stdout. */
@Command(
        name = "qlora",
        description = "QLoRA instruction tuning as a Spark batch job.",
        mixinStandardHelpOptions = true,
        versionProvider = Versions.class,
        subcommands = {
            DemoCommand.class,
            TokenizeCommand.class,
            TrainCommand.class,
            EvaluateCommand.class,
            GenerateCommand.class,
            ChatCommand.class,
            ExportCommand.class,
            QuantizeCommand.class,
            CombineCommand.class,
            BenchCommand.class,
            PlanCommand.class,
            DoctorCommand.class
        },
        footer = {
            "%nThe last line on stdout is a JSON object with the outcome.",
            "Exit codes: 0 done, 1 a bug, 2 wrong option, key or value, 3 unusable checkpoint, tokenizer, template or "
                    + "dataset, 4 diverged, 5 too little memory, 6 device failed, 7 another run holds it, 8 a rank was lost, "
                    + "9 some groups failed, 130 and 143 interrupted (SIGINT, SIGTERM)."
        })
public final class CommandLineApp {

    private CommandLineApp() {}

    /**
     * Runs a command as what this process is there for: when a signal ends it, the outcome says so. Java's own exit codes
     * stand then, 130 for SIGINT and 143 for SIGTERM.
     */
    public static int runProcess(PrintStream out, PrintStream err, String... args) {
        Console console = new Console(out, err);
        AtomicBoolean ended = new AtomicBoolean();
        Thread hook = new Thread(() -> interrupted(console, ended), "spark-qlora outcome");
        Runtime.getRuntime().addShutdownHook(hook);
        try {
            return run(console, args);
        } catch (Error e) {
            // picocli hands on exceptions alone; a class that is missing or a heap that is full is an end as well
            return new FailureReport(console).bug(e);
        } finally {
            ended.set(true);
        }
    }

    private static void interrupted(Console console, AtomicBoolean ended) {
        QuietLogging.silence();
        QLoraException outcome = Interruption.outcome();
        if (!ended.get()) {
            new FailureReport(console).interrupted(outcome);
        }
    }

    /** Runs a command; gives its exit code. */
    public static int run(PrintStream out, PrintStream err, String... args) {
        return run(new Console(out, err), args);
    }

    private static int run(Console console, String... args) {
        QuietLogging.configure();
        PrintStream out = console.out();
        PrintStream err = console.err();
        CommandLine line = new CommandLine(new CommandLineApp(), new CommandFactory(console));
        FailureReport report = new FailureReport(console);
        line.setOut(new PrintWriter(out, true, StandardCharsets.UTF_8));
        line.setErr(new PrintWriter(err, true, StandardCharsets.UTF_8));
        line.getSubcommands().values().stream()
                .filter(command -> command.getCommand() instanceof JobCommand)
                .forEach(command -> command.getCommandSpec().usageMessage().footer(ConfigReference.help()));
        line.setParameterExceptionHandler(report::usage);
        line.setExecutionExceptionHandler(report::failure);
        line.setExecutionStrategy(new CommandLine.RunLast());
        return line.execute(args);
    }
}
