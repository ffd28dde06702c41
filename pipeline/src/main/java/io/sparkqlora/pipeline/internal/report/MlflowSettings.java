// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.report;

import io.sparkqlora.pipeline.HubErrors;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * Where MLflow's tracking server is: the environment variables that its own clients read.
 *
 * @param uri MLFLOW_TRACKING_URI, without a slash at its end
 * @param authorization header made of MLFLOW_TRACKING_TOKEN, or of MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD; null without
 * @param experiment MLFLOW_EXPERIMENT_NAME, by default Default
 */
record MlflowSettings(URI uri, String authorization, String experiment) {

    /**
     * The settings of an environment.
     *
     * @param environment gives a variable, or null
     * @throws io.sparkqlora.kernels.QLoraException QLORA-P196 without the address of a server
     */
    static MlflowSettings of(UnaryOperator<String> environment) {
        String experiment = environment.apply("MLFLOW_EXPERIMENT_NAME");
        return new MlflowSettings(
                uri(environment.apply("MLFLOW_TRACKING_URI")),
                authorization(environment),
                experiment == null ? "Default" : experiment);
    }

    private static URI uri(String set) {
        String text = set == null ? "" : set.replaceAll("/+$", "");
        try {
            URI uri = URI.create(text);
            if (uri.getHost() != null
                    && List.of("http", "https").contains(uri.getScheme())
                    && uri.getUserInfo() == null) {
                return uri;
            }
        } catch (IllegalArgumentException e) {
            throw HubErrors.noTracker(text);
        }
        throw HubErrors.noTracker(text);
    }

    private static String authorization(UnaryOperator<String> environment) {
        String token = environment.apply("MLFLOW_TRACKING_TOKEN");
        if (token != null) {
            return "Bearer " + token;
        }
        String user = environment.apply("MLFLOW_TRACKING_USERNAME");
        String password = environment.apply("MLFLOW_TRACKING_PASSWORD");
        if (user == null || password == null) {
            return null;
        }
        byte[] both = (user + ":" + password).getBytes(StandardCharsets.UTF_8);
        return "Basic " + Base64.getEncoder().encodeToString(both);
    }

    /** Without what authorizes. */
    @Override
    public String toString() {
        return uri + " experiment " + experiment;
    }
}
