// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.pipeline.internal.base;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.pipeline.JobConfig;
import io.sparkqlora.pipeline.JobConfigBuilder;
import java.net.URI;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BaseNameTest {

    private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";

    @Test
    void placesAreToldApart() {
        assertThat(BaseName.of("/models/llama")).isEqualTo(new BaseName.Folder(Path.of("/models/llama")));
        assertThat(BaseName.of("org/llama")).isEqualTo(new BaseName.Folder(Path.of("org/llama")));
        assertThat(BaseName.of("file:/models/llama")).isEqualTo(new BaseName.Folder(Path.of("/models/llama")));
        assertThat(BaseName.of("file:///models/llama")).isEqualTo(new BaseName.Folder(Path.of("/models/llama")));
        assertThat(BaseName.of("s3a://bucket/llama")).isEqualTo(new BaseName.Store(URI.create("s3a://bucket/llama")));
        assertThat(BaseName.of("hf://org/llama")).isEqualTo(new BaseName.Hub("org/llama", "main"));
        assertThat(BaseName.of("hf://gpt2@v1.0")).isEqualTo(new BaseName.Hub("gpt2", "v1.0"));
        assertThat(BaseName.of("hf://org/llama@refs/pr/3")).isEqualTo(new BaseName.Hub("org/llama", "refs/pr/3"));
        assertThat(BaseName.of("hf://org/llama@refs/pr/3")).hasToString("hf://org/llama@refs/pr/3");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "hf://",
                "hf://org/llama/config.json",
                "hf://org/llama@",
                "hf://org/llama@a/../b",
                "hf://../llama",
                "hf://org--x/llama",
                "hf://org/llama?x",
                "s3a://bucket"
            })
    void whatIsNoPlaceIsRefused(String value) {
        assertThatThrownBy(() -> BaseName.of(value))
                .hasMessageStartingWith("QLORA-P180: model_name_or_path " + value + " can't be a checkpoint's place: ");
    }

    @Test
    void aModelsNameThatIsNoFolderIsNotGuessed() {
        assertThatThrownBy(() -> BaseFolder.of(job("org/llama"), BasePart.ALL))
                .hasMessage("QLORA-P181: model_name_or_path org/llama is no folder here; correct the path, or write "
                        + "hf://org/llama if it is a model of the Hugging Face Hub");
        assertThat(BaseFolder.of(job("src/test"), BasePart.ALL)).isEqualTo(Path.of("src/test"));
    }

    @Test
    void aRecordedCommitIsTakenWhereTheJobLeavesItOpen() {
        String recorded = "hf://org/llama@" + COMMIT;
        assertThat(base(BaseFolder.pinnedAs(recorded, job("hf://org/llama@dev"))))
                .isEqualTo(recorded);
        assertThat(base(BaseFolder.pinnedAs(recorded, job("hf://org/other")))).isEqualTo("hf://org/other");
        String other = "hf://org/llama@" + COMMIT.replace('0', '1');
        assertThat(base(BaseFolder.pinnedAs(recorded, job(other)))).isEqualTo(other);
        assertThat(base(BaseFolder.pinnedAs("/models/llama", job("hf://org/llama"))))
                .isEqualTo("hf://org/llama");
        assertThat(base(BaseFolder.pinnedAs(null, job("/models/llama")))).isEqualTo("/models/llama");
    }

    @Test
    void settingsAreTheVariablesOfTheHubsOwnLibrary() {
        HubSettings usual = HubSettings.of(null, Map.<String, String>of()::get);
        assertThat(usual.endpoint()).hasToString("https://huggingface.co");
        assertThat(usual.offline()).isFalse();
        assertThat(usual.cache()).isEqualTo(Path.of(System.getProperty("user.home"), ".cache/huggingface/hub"));
        HubSettings set = HubSettings.of(
                null,
                Map.of(
                        "HF_ENDPOINT",
                        "http://mirror:8080/hf/",
                        "HF_TOKEN",
                        "hf_secret",
                        "HF_HUB_OFFLINE",
                        "1",
                        "HF_HOME",
                        "~/hf")::get);
        assertThat(set.cache()).isEqualTo(Path.of(System.getProperty("user.home"), "hf/hub"));
        assertThat(set)
                .hasToString("http://mirror:8080/hf with HF_TOKEN offline, cache " + set.cache())
                .asString()
                .doesNotContain("secret");
        assertThat(HubSettings.of(null, Map.of("HF_HUB_CACHE", "/c", "HF_HOME", "/h")::get)
                        .cache())
                .isEqualTo(Path.of("/c"));
        assertThat(HubSettings.of("/mine", Map.of("HF_HUB_CACHE", "/c")::get).cache())
                .isEqualTo(Path.of("/mine"));
        assertThatThrownBy(() -> HubSettings.of(null, Map.of("HF_ENDPOINT", "ftp://x")::get))
                .hasMessageStartingWith("QLORA-P195: HF_ENDPOINT is ftp://x");
    }

    @Test
    void executorsGetWhatTheCommandKnowsOfTheHub() {
        Map<String, String> environment = Map.of("HF_TOKEN", "t", "HF_HOME", "/h", "HF_ENDPOINT", "", "PATH", "/bin");
        assertThat(BaseFolder.executorSettings(job("hf://org/llama"), environment))
                .containsExactly(Map.entry("spark.executorEnv.HF_TOKEN", "t"));
        assertThat(BaseFolder.executorSettings(job("/models/llama"), environment))
                .isEmpty();
    }

    @Test
    void whatAnAdapterNamesIsAFolderWhereThereIsOneAndElseAModelOfTheHub(@TempDir Path dir) {
        assertThat(BaseFolder.ofAdapter("org/llama")).isEqualTo("hf://org/llama");
        assertThat(BaseFolder.ofAdapter("hf://org/llama@abc")).isEqualTo("hf://org/llama@abc");
        assertThat(BaseFolder.ofAdapter(dir.toString())).isEqualTo(dir.toString());
        assertThat(BaseFolder.ofAdapter("src/test")).isEqualTo("src/test");
        assertThat(BaseFolder.local("s3a://bucket/adapter")).isEmpty();
        assertThat(BaseFolder.local("file:/adapters/a")).contains(Path.of("/adapters/a"));
    }

    private static String base(JobConfig job) {
        return (String) job.effective().get("model_name_or_path");
    }

    private static JobConfig job(String base) {
        JobConfigBuilder job = JobConfig.builder().set("dataset", "d").set("output_dir", "o");
        return job.set("model_name_or_path", base).build();
    }
}
