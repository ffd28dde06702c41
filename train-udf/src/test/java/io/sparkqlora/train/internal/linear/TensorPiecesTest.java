// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.linear;

import static org.assertj.core.api.Assertions.assertThat;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.internal.linear.TensorPieces.Piece;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TensorPiecesTest {

    /** The vocabularies and widths of families that are trained, and what is just not large. */
    @ParameterizedTest
    @CsvSource({
        "259, 64, 1",
        "16639, 64, 1",
        "16640, 64, 2",
        "32000, 4096, 125",
        "128256, 4096, 501",
        "152064, 3584, 594",
        "256000, 8192, 1000",
        "1, 1048577, 1"
    })
    void piecesCoverATensorAndKeepItsBlocks(long rows, long cols, int count) {
        List<Piece> pieces = TensorPieces.of("w", rows, cols);
        assertThat(pieces).hasSize(count);
        long at = 0;
        for (Piece piece : pieces) {
            assertThat(piece.from()).isEqualTo(at);
            assertThat(piece.from() % 256).isZero();
            assertThat(piece.to()).isGreaterThan(piece.from());
            assertThat(count == 1 || piece.to() - piece.from() >= 256).isTrue();
            assertThat(piece.name()).isEqualTo(count == 1 ? "w" : "w[" + at + ":" + piece.to() + "]");
            at = piece.to();
        }
        assertThat(at).isEqualTo(rows);
    }

    @Test
    void piecesAreFoundByTheNameOfTheWhole() {
        NamedTensor first = tensor("w[0:2]", 2);
        NamedTensor second = tensor("w[2:10]", 8);
        NamedTensor third = tensor("w[10:11]", 1);
        NamedTensor other = tensor("v", 4);
        assertThat(TensorPieces.wholes(List.of(third, other, second, first)))
                .containsOnlyKeys("v", "w")
                .containsEntry("w", List.of(first, second, third))
                .containsEntry("v", List.of(other));
        assertThat(TensorPieces.shape(List.of(first, second, third))).containsExactly(11L, 3L);
        assertThat(TensorPieces.shape(List.of(other))).containsExactly(4L, 3L);
    }

    private static NamedTensor tensor(String name, int rows) {
        return new NamedTensor(name, DType.F32, new long[] {rows, 3}, new byte[12 * rows]);
    }
}
