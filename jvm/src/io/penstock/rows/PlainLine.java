package io.penstock.rows;

import java.io.Serializable;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.array.ByteArrayMethods;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * A fast path for plain CSV lines: printable ASCII, no quote, no escape, the expected number of fields, valid numbers.
 * Such a line is split at its separators; any other line is left to the CSV parser and Spark's casts, which take two or
 * three times as long.
 */
@SuppressWarnings("serial") // Without a serialVersionUID, an executor with another penstock.jar refuses it.
public final class PlainLine implements Serializable {
    private static final byte FIRST_PRINTABLE = ' ';
    private static final byte LAST_PRINTABLE = '~';

    private final int fields;
    private final DataType[] types;
    private final byte separator;
    private final byte quote;
    private final byte escape;
    private final byte[] nullMarker;
    private final boolean trim;

    private PlainLine(StructType type, char separator, char quote, char escape, String nullMarker, boolean trim) {
        this.fields = type.length();
        this.types = new DataType[fields];
        for (int field = 0; field < fields; field++) {
            types[field] = type.apply(field).dataType();
        }
        this.separator = (byte) separator;
        this.quote = (byte) quote;
        this.escape = (byte) escape;
        this.nullMarker = UTF8String.fromString(nullMarker).getBytes();
        this.trim = trim;
    }

    /**
     * A struct of the line's fields; null for a line that is not plain.
     *
     * @param types in SQL, of all fields: string, double, or void for an unused one, as {@code a double, b void}
     * @param trim whether blanks around a value are trimmed: a line with such blanks is not plain
     */
    public static Column split(
            Column line, String types, String separator, String quote, String escape, String nullMarker, boolean trim) {
        StructType struct = StructType.fromDDL(types);
        PlainLine splitter = new PlainLine(
                struct, separator.charAt(0), quote.charAt(0), escape.charAt(0), nullMarker, trim);
        return Calls.of(splitter, "cut", struct, line);
    }

    public InternalRow cut(UTF8String line) {
        Object base = line.getBaseObject();
        long start = line.getBaseOffset();
        long end = start + line.numBytes();
        Object[] values = new Object[fields];
        int found = 0;
        long begin = start;
        for (long at = start; at < end; at++) {
            byte character = Platform.getByte(base, at);
            if (character == separator) {
                if (found == fields - 1 || !put(values, found, base, begin, at)) {
                    return null;
                }
                found++;
                begin = at + 1;
            } else if (character == quote || character == escape || !isPrintable(character)) {
                return null;
            }
        }
        return found == fields - 1 && put(values, found, base, begin, end) ? new GenericInternalRow(values) : null;
    }

    /** Parses a field into its column; false if it is not plain. */
    private boolean put(Object[] values, int field, Object base, long begin, long end) {
        DataType type = types[field];
        int length = (int) (end - begin);
        if (length == 0 || type == DataTypes.NullType) {
            return true;
        }
        if (trim && (Platform.getByte(base, begin) == ' ' || Platform.getByte(base, end - 1) == ' ')) {
            return false;
        }
        if (isNullMarker(base, begin, length)) {
            return true;
        }
        if (type == DataTypes.DoubleType) {
            Double number = NumberText.toDouble(base, begin, end);
            values[field] = number;
            return number != null && !number.isInfinite();
        }
        // A view of the line, not a copy.
        values[field] = UTF8String.fromAddress(base, begin, length);
        return true;
    }

    private static boolean isPrintable(byte character) {
        return character >= FIRST_PRINTABLE && character <= LAST_PRINTABLE;
    }

    private boolean isNullMarker(Object base, long begin, int length) {
        return length == nullMarker.length
                && ByteArrayMethods.arrayEquals(base, begin, nullMarker, Platform.BYTE_ARRAY_OFFSET, length);
    }
}
