// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline;

import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import org.apache.hadoop.fs.UnsupportedFileSystemException;

/** Errors about bases that lie elsewhere and their copies, and about MLflow. Codes P180–P199; never reused. No message has a token in it. */
public final class HubErrors {

    private static final double GIB = 1L << 30;

    private HubErrors() {}

    /** A value that names no place. */
    public static QLoraException notAPlace(String value, String problem) {
        return config(
                180,
                "model_name_or_path " + value + " can't be a checkpoint's place: " + problem
                        + "; name a folder, a folder's URI such as s3a://bucket/model, or hf://organisation/model@revision");
    }

    /** No folder, but perhaps a model's name. */
    public static QLoraException noSuchFolder(String value) {
        return input(
                181,
                "model_name_or_path " + value + " is no folder here; correct the path, or write hf://" + value
                        + " if it is a model of the Hugging Face Hub");
    }

    /** No such model, or none that this user may see: the Hub doesn't tell these apart. */
    public static QLoraException noModel(String name, String endpoint, int status, boolean token) {
        return input(
                182,
                endpoint + " has no " + name + " for this user (status " + status + "); correct the name"
                        + (token
                                ? ", or set HF_TOKEN to a token that may read it"
                                : ", or set HF_TOKEN if it is private: there is none"));
    }

    /** A model whose terms must be agreed to. */
    public static QLoraException gated(String name, String page, boolean token) {
        return input(
                183,
                name + " is gated; agree to its terms at " + page
                        + (token
                                ? " with the account that HF_TOKEN is of, and let the token read gated models"
                                : ", and set HF_TOKEN to a token of that account: there is none"));
    }

    /** No such revision. */
    public static QLoraException noRevision(String name, String revision) {
        return input(
                184,
                name + ": the model has no revision " + revision
                        + "; name a branch, a tag or a whole commit hash behind the @");
    }

    /** A token that the Hub doesn't know. */
    public static QLoraException tokenRefused(String name, String endpoint) {
        return input(
                185,
                endpoint + " refuses HF_TOKEN (asked for " + name
                        + "); set it to a valid token, or unset it for what everybody may read");
    }

    /** The Hub doesn't answer. */
    public static QLoraException hubUnreachable(String name, String uri, IOException cause) {
        return new QLoraException(
                "QLORA-P186",
                Kind.INPUT,
                name + " can't be looked up at " + uri + ": " + oneLine(cause)
                        + "; check the network, HF_ENDPOINT and Java's proxy settings (https.proxyHost), or set HF_HUB_OFFLINE=1 to use "
                        + "what is in the cache",
                cause);
    }

    /** Something that doesn't come. */
    public static QLoraException unreachable(String what, IOException cause) {
        return new QLoraException(
                "QLORA-P186",
                Kind.INPUT,
                what + " can't be fetched: " + oneLine(cause)
                        + "; check the network and the server, and run the same command, which goes on from what has come",
                cause);
    }

    /** A copy that is none. */
    public static QLoraException otherBytes(String what, String problem) {
        return input(
                187,
                what + " came twice with other bytes than it should have: " + problem
                        + "; its server or something on the way to it is damaged: try again later, or from elsewhere");
    }

    /** Offline, and not in the cache. */
    public static QLoraException notInCache(String name, String cache, String what) {
        return input(
                188,
                what + " of " + name + " is not in the cache " + cache
                        + ", and HF_HUB_OFFLINE is set; unset it, or fetch the model where there is a network and copy the cache here");
    }

    /** Weights that can run code. */
    public static QLoraException pickled(String where, String file) {
        return input(
                189,
                where + " has pickled weights only (" + file
                        + "), which can run code and are not read; name a revision or a model with safetensors, or convert it with "
                        + "transformers (save_pretrained)");
    }

    /** Too little room for the copy. */
    public static QLoraException noRoom(String where, String folder, long need, long have) {
        return new QLoraException(
                "QLORA-P190",
                Kind.RESOURCES,
                String.format(
                        Locale.ROOT,
                        "%s takes %d bytes (%.1f GiB) in %s, where %d (%.1f GiB) are free; make room, or set cache_dir to a folder with more",
                        where,
                        need,
                        need / GIB,
                        folder,
                        have,
                        have / GIB),
                null);
    }

    /** The folder of copies can't be used. */
    public static QLoraException cacheUnusable(String folder, IOException cause) {
        return new QLoraException(
                "QLORA-P191",
                Kind.CONFIG,
                folder + ", where bases are copied to, can't be used: " + oneLine(cause)
                        + "; set cache_dir to a folder that can be written on every machine",
                cause);
    }

    /** A Hadoop filesystem that doesn't show the folder. */
    public static QLoraException storeUnreachable(String uri, IOException cause) {
        String fix;
        if (cause instanceof UnsupportedFileSystemException) {
            fix = "add the connector's jar (for s3a org.apache.hadoop:hadoop-aws of Hadoop's version) to Spark's "
                    + "(spark.jars.packages)";
        } else if (cause instanceof FileNotFoundException) {
            fix = "correct the path";
        } else {
            fix =
                    "check the path, its permissions and the filesystem's settings (spark.hadoop.*, which executors get too)";
        }
        return new QLoraException(
                "QLORA-P192",
                Kind.INPUT,
                "model_name_or_path " + uri + " can't be looked at: " + oneLine(cause) + "; " + fix,
                cause);
    }

    /** A folder that holds no weights. */
    public static QLoraException noWeights(String where) {
        return input(
                193,
                where
                        + " has neither model.safetensors nor model.safetensors.index.json; name the folder of a checkpoint in "
                        + "Hugging Face's format");
    }

    /** An index that leads nowhere. */
    public static QLoraException badIndex(String where, String problem) {
        return input(
                193,
                where + "/model.safetensors.index.json can't be used: " + problem
                        + "; put the index of these weights beside them");
    }

    /** A server that doesn't speak the Hub's protocol. */
    public static QLoraException notTheHub(String uri, String problem) {
        return input(
                194,
                uri + " is no answer of a Hugging Face Hub: " + problem
                        + "; set HF_ENDPOINT to the Hub, or to a mirror that passes its headers on");
    }

    /** An endpoint that is no address. */
    public static QLoraException badEndpoint(String endpoint) {
        return config(195, "HF_ENDPOINT is " + endpoint + ", which is no http or https address; correct or unset it");
    }

    /** MLflow without a server's address. */
    public static QLoraException noTracker(String uri) {
        return config(
                196,
                "report_to is mlflow, and MLFLOW_TRACKING_URI is " + (uri.isEmpty() ? "not set" : uri)
                        + "; set it to the http or https address of a tracking server, or report_to to none");
    }

    /** MLflow's server doesn't take a run. */
    public static QLoraException trackerUnreachable(String uri, IOException cause) {
        return new QLoraException(
                "QLORA-P199",
                Kind.CONFIG,
                "MLflow at " + uri + " doesn't take the run: " + oneLine(cause)
                        + "; check MLFLOW_TRACKING_URI and what it asks for (MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
                        + "MLFLOW_TRACKING_PASSWORD), or set report_to to none",
                cause);
    }

    /** Executors that can't get the base. */
    public static QLoraException notToExecutors(String name, List<String> hosts, String problem) {
        return input(
                197,
                "model_name_or_path " + name + " can be fetched by the driver but not by the executors on " + hosts
                        + " ("
                        + problem
                        + "); give them the same settings: spark.hadoop.* for filesystems, spark.executorEnv.HF_* for the Hub, and "
                        + "a cache_dir that they can write");
    }

    /** Executors that see another base. */
    public static QLoraException otherOnExecutors(String name, List<String> hosts) {
        return input(
                198,
                "model_name_or_path " + name + " is another base when the executors on " + hosts
                        + " look at it; let all machines see the same files under this name, and let nobody write them meanwhile");
    }

    private static QLoraException config(int code, String message) {
        return new QLoraException(String.format("QLORA-P%03d", code), Kind.CONFIG, message, null);
    }

    private static QLoraException input(int code, String message) {
        return new QLoraException(String.format("QLORA-P%03d", code), Kind.INPUT, message, null);
    }

    private static String oneLine(Throwable cause) {
        String text = cause.getMessage() == null ? cause.toString() : cause.getMessage();
        String line = text.lines().findFirst().orElse("no detail").strip();
        return cause instanceof java.nio.file.FileSystemException
                ? cause.getClass().getSimpleName() + " " + line
                : line;
    }
}
