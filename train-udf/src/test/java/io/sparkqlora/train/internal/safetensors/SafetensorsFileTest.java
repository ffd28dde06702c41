// SPDX-License-Identifier: Apache-2.0
package io.sparkqlora.train.internal.safetensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sparkqlora.kernels.DType;
import io.sparkqlora.kernels.QLoraException;
import io.sparkqlora.kernels.QLoraException.Kind;
import io.sparkqlora.train.NamedTensor;
import io.sparkqlora.train.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsFileTest {

    @TempDir
    Path folder;

    static byte[] bytes(String header, int dataBytes) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + json.length + dataBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .array();
    }

    private Path file(byte[] bytes) throws IOException {
        return Files.write(folder.resolve("model.safetensors"), bytes);
    }

    private static void assertRefused(Path file, String code, String... parts) {
        assertThatThrownBy(() -> SafetensorsFile.open(file)).isInstanceOfSatisfying(QLoraException.class, e -> {
            assertThat(e.kind()).isEqualTo(Kind.INPUT);
            assertThat(e.code()).isEqualTo(code);
            assertThat(e.getMessage()).contains(file.toString()).contains(parts).hasLineCount(1);
        });
    }

    @Test
    void readsWhatItWrote() throws IOException {
        NamedTensor matrix = new NamedTensor("b", DType.F32, new long[] {2, 2}, new byte[16]);
        matrix.data()[9] = 7;
        NamedTensor vector = new NamedTensor("a", DType.BF16, new long[] {3}, new byte[] {1, 2, 3, 4, 5, 6});
        Path file = folder.resolve("t.safetensors");
        SafetensorsWriter.write(file, List.of(vector, matrix), Map.of("format", "pt"));
        try (SafetensorsFile read = SafetensorsFile.open(file)) {
            assertThat(read.metadata()).containsExactly(Map.entry("format", "pt"));
            assertThat(read.names()).containsExactly("b", "a");
            assertThat(read.info("a")).isEqualTo(new TensorInfo(DType.BF16, List.of(3L)));
            assertThat(read.read("a").getShort(2)).isEqualTo((short) 0x0403);
            ByteBuffer row = read.readRows("b", 1, 2);
            assertThat(row.remaining()).isEqualTo(8);
            assertThat(row.order()).isEqualTo(ByteOrder.LITTLE_ENDIAN);
            assertThat(row.get(1)).isEqualTo((byte) 7);
            assertThat((read.headerBytes().remaining() - 8) % 8).isZero();
        }
    }

    @Test
    void anAbsentTensorOrRowIsAnError() throws IOException {
        Path path = file(bytes("{\"a\":{\"dtype\":\"U8\",\"shape\":[2,1],\"data_offsets\":[0,2]}}", 2));
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertThatThrownBy(() -> file.read("b"))
                    .isInstanceOf(QLoraException.class)
                    .hasMessageContaining("tensor b is missing");
            assertThatThrownBy(() -> file.readRows("a", 1, 3)).hasMessageContaining("rows 1–3 of 2 of a");
        }
    }

    @Test
    void scalarsAndEmptyTensorsAreFine() throws IOException {
        Path path = file(bytes(
                "{\"s\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                        + "\"e\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[8,8]}}   ",
                8));
        try (SafetensorsFile file = SafetensorsFile.open(path)) {
            assertThat(file.info("s").size()).isEqualTo(1);
            assertThat(file.read("s").remaining()).isEqualTo(8);
            assertThat(file.read("e").remaining()).isZero();
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "U8 | [4] | [0,4] | 3 | QLORA-T013 | describes 4 bytes of tensors, the file holds 3",
                "U8 | [4] | [0,4] | 5 | QLORA-T014 | 1 bytes after the last tensor belong to none",
                "U8 | [4] | [1,5] | 5 | QLORA-T012 | tensor a: data_offsets leave a gap: it begins at 1",
                "F32 | [2] | [0,4] | 4 | QLORA-T012 | data_offsets span 4 bytes, F32 [2] takes 8",
                "F32 | [2] | [8,0] | 8 | QLORA-T012 | data_offsets are [8, 0], expected [begin, end]",
                "F32 | [2] | [0] | 8 | QLORA-T012 | data_offsets are [0]",
                "F32 | [2] | 8 | 8 | QLORA-T012 | data_offsets is no list",
                "F32 | [-2] | [0,8] | 8 | QLORA-T012 | shape is not a list of integers from 0 on",
                "F32 | [2.5] | [0,8] | 8 | QLORA-T012 | shape is not a list of integers",
                "F32 | [4611686018427387904,4] | [0,0] | 0 | QLORA-T012 | more elements than can be counted",
                "F32 | [4611686018427387904] | [0,0] | 0 | QLORA-T012 | more elements than can be counted",
                "F99 | [2] | [0,8] | 8 | QLORA-T020 | tensor a has dtype F99, supported are"
            })
    void entriesThatCantBeAreRefused(String dtype, String shape, String offsets, int data, String code, String message)
            throws IOException {
        String header =
                "{\"a\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}";
        assertRefused(file(bytes(header, data)), code, message);
    }

    @Test
    void overlappingTensorsAreRefused() throws IOException {
        String header = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                + "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}";
        assertRefused(
                file(bytes(header, 6)), "QLORA-T012", "tensor b: data_offsets overlap", "begins at 2", "ends at 4");
    }

    @Test
    void namesThatAreListedTwiceAreRefused() throws IOException {
        String entry = "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}";
        assertRefused(file(bytes("{" + entry + "," + entry + "}", 1)), "QLORA-T011", "Duplicate field 'a'");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[] | it is not a JSON object",
                "{\"a\": | Unexpected end-of-input",
                "{} x | Unrecognized token",
                "{} {} | text follows the JSON object",
                "{\"__metadata__\": 3} | __metadata__ is not a JSON object"
            })
    void headersThatAreNoJsonObjectAreRefused(String header, String message) throws IOException {
        assertRefused(file(bytes(header, 0)), "QLORA-T011", "the safetensors header is invalid", message);
    }

    @Test
    void aHeaderThatIsNotUtf8IsRefused() throws IOException {
        byte[] bytes = bytes("{\"a\": 1}", 0);
        bytes[10] = (byte) 0xff;
        assertRefused(file(bytes), "QLORA-T011", "it is not UTF-8");
    }

    @Test
    void namesInErrorsStayOnOneLine() throws IOException {
        String header = "{\"a\\nb\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,2]}}";
        assertRefused(file(bytes(header, 2)), "QLORA-T012", "tensor a?b");
    }

    @Test
    void headerLengthsBeyondTheFileAreRefused() throws IOException {
        assertRefused(file(new byte[0]), "QLORA-T010", "the file has 0");
        assertRefused(file(new byte[] {1, 2, 3}), "QLORA-T010", "the header claims its first 8 bytes, the file has 3");
        byte[] huge = bytes("{}", 0);
        ByteBuffer.wrap(huge).order(ByteOrder.LITTLE_ENDIAN).putLong(0, 1L << 40);
        assertRefused(file(huge), "QLORA-T010", "the header claims 1099511627776 bytes, the file has 10");
        ByteBuffer.wrap(huge).putLong(0, -1);
        assertRefused(file(huge), "QLORA-T010", "the header claims 18446744073709551615 bytes");
    }

    @Test
    void missingFilesAndFoldersAreRefused() {
        assertRefused(folder.resolve("none.safetensors"), "QLORA-T001", "does not exist");
        assertRefused(folder, "QLORA-T002", "can't be read");
    }
}
