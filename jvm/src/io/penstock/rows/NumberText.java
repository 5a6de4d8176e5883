package io.penstock.rows;

import org.apache.spark.sql.Column;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.unsafe.Platform;
import org.apache.spark.unsafe.types.UTF8String;

/**
 * Parses numbers. Floating-point: digits with an optional decimal point, exponent and signs. Integers: digits with an
 * optional sign. Not accepted, unlike in Java and Spark: {@code 7.4f}, {@code 0x1p3}, {@code Infinity}, surrounding
 * blanks.
 */
public final class NumberText {
    /** Powers of ten that a double represents exactly. */
    private static final double[] POWERS_OF_TEN = {
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19,
        1e20, 1e21, 1e22};
    /** With one more digit they are still integers that a double represents exactly. */
    private static final long MOST_DIGITS = (1L << 53) / 10 - 1;

    private NumberText() {}

    /** The number; null for any other text, and for an integer out of range. {@code type}: double to integer, in SQL. */
    public static Column parse(Column text, String type) {
        DataType wanted = DataType.fromDDL(type);
        String method = switch (wanted.typeName()) {
            case "double" -> "toDouble";
            case "float" -> "toFloat";
            case "long" -> "toLong";
            case "integer" -> "toInteger";
            default -> throw new IllegalArgumentException(type + " is no type of numbers; expected double to integer");
        };
        return Calls.ofStatic(NumberText.class, method, wanted, text);
    }

    /**
     * The nearest double, infinite where the text is too large for any.
     *
     * <p>The quotient of two numbers that doubles represent exactly is rounded once, to the nearest double (W. D.
     * Clinger, How to Read Floating Point Numbers Accurately, 1990). Longer ones are parsed by Java.
     */
    public static Double toDouble(UTF8String text) {
        long begin = text.getBaseOffset();
        return toDouble(text.getBaseObject(), begin, begin + text.numBytes());
    }

    static Double toDouble(Object base, long begin, long end) {
        long at = skipSign(base, begin, end);
        long digits = 0;
        int scale = 0;
        boolean hasDigit = false;
        boolean hasPoint = false;
        boolean isExact = true;
        for (; at < end; at++) {
            byte character = Platform.getByte(base, at);
            if (isDigit(character)) {
                hasDigit = true;
                isExact &= digits <= MOST_DIGITS;
                digits = digits * 10 + (character - '0');
                scale += hasPoint ? 1 : 0;
            } else if (character == '.' && !hasPoint) {
                hasPoint = true;
            } else {
                break;
            }
        }
        if (!hasDigit || at < end && !isExponent(base, at, end)) {
            return null;
        }
        if (at < end || !isExact || scale >= POWERS_OF_TEN.length) {
            return Double.parseDouble(UTF8String.fromAddress(base, begin, (int) (end - begin)).toString());
        }
        double value = digits / POWERS_OF_TEN[scale];
        return Platform.getByte(base, begin) == '-' ? -value : value;
    }

    /** The nearest float, which is not always the one nearest to the double. */
    public static Float toFloat(UTF8String text) {
        return toDouble(text) == null ? null : (Float) Float.parseFloat(text.toString());
    }

    public static Long toLong(UTF8String text) {
        Object base = text.getBaseObject();
        long begin = text.getBaseOffset();
        long end = begin + text.numBytes();
        long first = skipSign(base, begin, end);
        // Accumulated as a negative number, since the negative range is larger by one.
        long value = 0;
        for (long at = first; at < end; at++) {
            byte character = Platform.getByte(base, at);
            if (!isDigit(character) || value < Long.MIN_VALUE / 10) {
                return null;
            }
            value = value * 10 - (character - '0');
            if (value > 0) {
                return null;
            }
        }
        boolean isNegative = first > begin && Platform.getByte(base, begin) == '-';
        if (first == end || !isNegative && value == Long.MIN_VALUE) {
            return null;
        }
        return isNegative ? value : -value;
    }

    public static Integer toInteger(UTF8String text) {
        Long value = toLong(text);
        return value == null || value != value.intValue() ? null : (Integer) value.intValue();
    }

    private static long skipSign(Object base, long begin, long end) {
        boolean isSigned = begin < end && (Platform.getByte(base, begin) == '-' || Platform.getByte(base, begin) == '+');
        return isSigned ? begin + 1 : begin;
    }

    /** Whether the rest of a number is e or E, an optional sign, and digits. */
    private static boolean isExponent(Object base, long begin, long end) {
        byte letter = Platform.getByte(base, begin);
        long first = skipSign(base, begin + 1, end);
        boolean isExponent = (letter == 'e' || letter == 'E') && first < end;
        for (long at = first; isExponent && at < end; at++) {
            isExponent = isDigit(Platform.getByte(base, at));
        }
        return isExponent;
    }

    private static boolean isDigit(byte character) {
        return character >= '0' && character <= '9';
    }
}
