package io.penstock.rows;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import java.io.IOException;
import java.io.Serializable;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * Cuts a line that is one JSON object into the texts of its members: a string's content, a number digit by digit as it is
 * written, anything else as its JSON. Spark's {@code from_json} passes a number through a double, and takes a line with a
 * second object, or a name that stands twice, without a word.
 */
@SuppressWarnings("serial") // Without a number of its own, an executor with another penstock.jar refuses it.
public final class JsonLine implements Serializable {
    private static final JsonFactory JSON = new JsonFactoryBuilder()
            // Python's json writes NaN for a float that is none; what it means is the contract's to say.
            .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
            // Names that collide are no reason to fail a batch, nor names of any file one to stay in memory.
            .disable(JsonFactory.Feature.FAIL_ON_SYMBOL_HASH_OVERFLOW)
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNumberLength(Integer.MAX_VALUE)
                    .build())
            .build();

    private final Map<String, Integer> places = new HashMap<>();
    private final int fields;
    private final boolean refusesOthers;

    private JsonLine(StructType type, boolean refusesOthers) {
        this.fields = type.length() - 1;
        for (int field = 0; field < fields; field++) {
            places.put(type.apply(field).name(), field);
        }
        this.refusesOthers = refusesOthers;
    }

    /**
     * A struct of the texts of the members that are asked for, null for one that is null or not there; its last field is
     * the reason why the line can't be used, null if it can.
     *
     * @param types in SQL, all of them strings: the members by name, and the reason
     * @param refusesOthers whether a member of another name is a reason
     */
    public static Column split(Column line, String types, boolean refusesOthers) {
        StructType struct = StructType.fromDDL(types);
        return Calls.of(new JsonLine(struct, refusesOthers), "cut", struct, line);
    }

    public InternalRow cut(UTF8String line) {
        byte[] bytes = line.getBytes();
        Object[] values = new Object[fields + 1];
        String reason;
        if (hasNul(bytes)) {
            // The parser would take it for UTF-16.
            values[fields] = UTF8String.fromString("row: a NUL byte, which no text has");
            return new GenericInternalRow(values);
        }
        try (JsonParser parser = JSON.createParser(bytes)) {
            reason = read(parser, bytes, values);
        } catch (JsonParseException error) {
            JsonLocation location = error.getLocation();
            reason = "row: is not JSON" + (location == null ? "" : " at byte " + (location.getByteOffset() + 1));
        } catch (IOException error) {
            // Nested deeper than the parser follows, for example.
            reason = "row: is not JSON that can be read: " + error.getClass().getSimpleName();
        }
        if (reason != null) {
            Arrays.fill(values, null);
            values[fields] = UTF8String.fromString(reason);
        }
        return new GenericInternalRow(values);
    }

    private static boolean hasNul(byte[] bytes) {
        for (byte one : bytes) {
            if (one == 0) {
                return true;
            }
        }
        return false;
    }

    /** Fills in the members; returns the reason against the line, or null. */
    private String read(JsonParser parser, byte[] bytes, Object[] values) throws IOException {
        if (parser.nextToken() != JsonToken.START_OBJECT) {
            return "row: is not a JSON object";
        }
        boolean[] isThere = new boolean[fields];
        String reason;
        while (parser.nextToken() == JsonToken.FIELD_NAME) {
            String name = parser.currentName();
            Integer place = places.get(name);
            JsonToken token = parser.nextToken();
            if (place == null) {
                if (refusesOthers) {
                    return "row: '" + name + "' is not in the contract";
                }
                parser.skipChildren();
                continue;
            }
            if (isThere[place]) {
                return "row: '" + name + "' stands twice";
            }
            isThere[place] = true;
            if (token == JsonToken.VALUE_STRING) {
                String text = parser.getText();
                reason = reasonAgainst(text, name);
                if (reason != null) {
                    return reason;
                }
                values[place] = UTF8String.fromString(text);
            } else {
                values[place] = text(parser, token, bytes);
            }
        }
        return parser.nextToken() == null ? null : "row: has more than one JSON object";
    }

    /** Why a string can't be kept, by its escapes: a NUL, or one half of a character that UTF-8 has whole only. */
    private static String reasonAgainst(String text, String name) {
        for (int at = 0; at < text.length(); at++) {
            char character = text.charAt(at);
            if (character == 0) {
                return "row: '" + name + "' has a NUL byte, which no text has";
            }
            if (Character.isHighSurrogate(character) && at + 1 < text.length()
                    && Character.isLowSurrogate(text.charAt(at + 1))) {
                at++;
            } else if (Character.isSurrogate(character)) {
                return "row: '" + name + "' has half of a surrogate pair, which no text has";
            }
        }
        return null;
    }

    private static UTF8String text(JsonParser parser, JsonToken token, byte[] bytes) throws IOException {
        if (token == JsonToken.VALUE_NULL) {
            return null;
        }
        if (token.isScalarValue()) {
            // Of a number too: the parser keeps its characters until somebody asks for its value.
            return UTF8String.fromString(parser.getText());
        }
        int begin = (int) parser.currentTokenLocation().getByteOffset();
        parser.skipChildren();
        return UTF8String.fromBytes(bytes, begin, (int) parser.currentLocation().getByteOffset() - begin);
    }
}
