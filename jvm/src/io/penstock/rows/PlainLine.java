package io.penstock.rows;

import java.io.Serializable;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * Cuts a line of CSV at its separators, where that is all there is to do: printable ASCII, no quote, no escape, the
 * expected number of fields. Any other line is left to the CSV parser, which takes three times as long.
 */
public final class PlainLine implements Serializable {
    private static final long serialVersionUID = 1L;
    private static final byte FIRST_PRINTABLE = ' ';
    private static final byte LAST_PRINTABLE = '~';

    private final int fields;
    private final int rowSize;
    private final byte separator;
    private final byte quote;
    private final byte escape;
    private final byte[] nullMarker;
    private final boolean trim;

    private PlainLine(int fields, int rowSize, char separator, char quote, char escape, String nullMarker, boolean trim) {
        this.fields = fields;
        this.rowSize = rowSize;
        this.separator = (byte) separator;
        this.quote = (byte) quote;
        this.escape = (byte) escape;
        this.nullMarker = UTF8String.fromString(nullMarker).getBytes();
        this.trim = trim;
    }

    /**
     * A struct of {@code type} whose first fields are the line's, the others null; null for a line that is not plain.
     *
     * @param type in SQL: strings, as {@code a string, b string}
     * @param trim whether blanks around a value are to go: a line that has such is not plain
     */
    public static Column split(
            Column line, String type, int fields, String separator, String quote, String escape, String nullMarker,
            boolean trim) {
        StructType struct = StructType.fromDDL(type);
        PlainLine splitter = new PlainLine(fields, struct.length(), separator.charAt(0), quote.charAt(0),
                escape.charAt(0), nullMarker, trim);
        return Calls.of(splitter, "cut", struct, line);
    }

    public InternalRow cut(UTF8String line) {
        Object base = line.getBaseObject();
        long start = line.getBaseOffset();
        long end = start + line.numBytes();
        Object[] values = new Object[rowSize];
        int found = 0;
        long begin = start;
        for (long at = start; at < end; at++) {
            byte character = Platform.getByte(base, at);
            if (character == separator) {
                if (found == fields - 1 || !isPlain(base, begin, at)) {
                    return null;
                }
                values[found++] = value(base, begin, at);
                begin = at + 1;
            } else if (character == quote || character == escape || !isPrintable(character)) {
                return null;
            }
        }
        if (found != fields - 1 || !isPlain(base, begin, end)) {
            return null;
        }
        values[found] = value(base, begin, end);
        return new GenericInternalRow(values);
    }

    private static boolean isPrintable(byte character) {
        return character >= FIRST_PRINTABLE && character <= LAST_PRINTABLE;
    }

    private boolean isPlain(Object base, long begin, long end) {
        return !trim || begin == end
                || Platform.getByte(base, begin) != ' ' && Platform.getByte(base, end - 1) != ' ';
    }

    /** A part of the line, not a copy. Null where there is nothing, or the null marker. */
    private UTF8String value(Object base, long begin, long end) {
        int length = (int) (end - begin);
        return length == 0 || isNullMarker(base, begin, length) ? null : UTF8String.fromAddress(base, begin, length);
    }

    private boolean isNullMarker(Object base, long begin, int length) {
        if (length != nullMarker.length) {
            return false;
        }
        for (int at = 0; at < length; at++) {
            if (Platform.getByte(base, begin + at) != nullMarker[at]) {
                return false;
            }
        }
        return true;
    }
}
