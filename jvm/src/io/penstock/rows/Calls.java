package io.penstock.rows;

import org.apache.spark.sql.Column;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.expressions.objects.Invoke;
import org.apache.spark.sql.catalyst.expressions.objects.StaticInvoke;
import org.apache.spark.sql.classic.ExpressionUtils;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.ObjectType;
import scala.Option;
import scala.collection.immutable.List;
import scala.collection.immutable.List$;

/**
 * Columns that call a Java method with one value from Spark's generated code, as Spark's own functions do. A UDF would
 * get copies of the values. The method is not called for null, and may return null.
 */
final class Calls {
    private Calls() {}

    static Column of(Object target, String method, DataType type, Column value) {
        Literal literal = Literal.fromObject(target, new ObjectType(target.getClass()));
        return ExpressionUtils.column(
                new Invoke(literal, method, type, arguments(value), List$.MODULE$.empty(), true, true, true));
    }

    static Column ofStatic(Class<?> target, String method, DataType type, Column value) {
        return ExpressionUtils.column(new StaticInvoke(
                target, type, method, arguments(value), List$.MODULE$.empty(), true, true, true, Option.empty()));
    }

    private static List<Expression> arguments(Column value) {
        return List$.MODULE$.<Expression>empty().$colon$colon(ExpressionUtils.expression(value));
    }
}
