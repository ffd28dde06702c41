// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.step;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.train.LoraConfig;
import io.sparkqlora.train.ModelConfig;
import io.sparkqlora.train.TargetModules;
import io.sparkqlora.train.TinyModels;
import io.sparkqlora.train.internal.linear.AdapterLayout;
import io.sparkqlora.train.internal.linear.LoraTargets;
import io.sparkqlora.train.internal.model.ModelLayout;
import io.sparkqlora.train.internal.step.GradientPieces.Piece;
import java.util.List;
import org.junit.jupiter.api.Test;

class GradientPiecesTest {

    private static final ModelConfig CONFIG = ModelConfig.parse(
            TinyModels.CONFIG.replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 5"), "tiny");

    @Test
    void aPieceForEachLayerFromTheLastToTheFirst() {
        List<Piece> pieces = pieces(TargetModules.allLinear(), 256);
        assertThat(pieces).extracting(Piece::layer).containsExactly(4, 3, 2, 1, 0);
    }

    @Test
    void smallLayersShareAPieceThatIsFinalWithTheLowestOfThem() {
        assertThat(pieces(TargetModules.allLinear(), 4))
                .extracting(Piece::layer)
                .containsExactly(0);
        assertThat(pieces(TargetModules.allLinear(), 100))
                .extracting(Piece::layer)
                .containsExactly(3, 1, 0);
    }

    @Test
    void layersWithoutAnAdapterHaveNone() {
        assertThat(pieces(TargetModules.of(".*layers.3.*_proj|lm_head"), 400))
                .extracting(Piece::layer)
                .containsExactly(3);
        assertThat(pieces(TargetModules.names("lm_head"), 400))
                .extracting(Piece::layer)
                .containsExactly(0);
    }

    /** They cover the buffer without gaps, from its end down. */
    private static List<Piece> pieces(TargetModules targets, int rank) {
        ModelLayout layout = ModelLayout.of(CONFIG);
        AdapterLayout adapter = new AdapterLayout(
                layout.groups(),
                LoraTargets.resolve(targets, layout.moduleNames()),
                LoraConfig.builder().r(rank).build());
        List<Piece> pieces = GradientPieces.of(layout, adapter).pieces();
        long end = adapter.size();
        for (Piece piece : pieces) {
            assertThat(piece.to()).isEqualTo(end);
            end = piece.from();
        }
        assertThat(end).isZero();
        return pieces;
    }
}
