package io.penstock.rows;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Base64;
import java.util.Deque;
import net.razorvine.pickle.Pickler;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.catalyst.InternalRow;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.GenericInternalRow;
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection;
import org.apache.spark.sql.classic.Dataset;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.execution.ProjectExec;
import org.apache.spark.sql.execution.RDDScanExec;
import org.apache.spark.sql.execution.SparkPlan;
import org.apache.spark.sql.execution.python.EvaluatePython;
import org.apache.spark.sql.internal.SQLConf;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.unsafe.types.UTF8String;
import scala.collection.immutable.Seq;

/**
 * Projections of rows of text, planned and compiled once and then evaluated in the calling thread. A query of some rows
 * takes a hundred times as long, and nearly all of it before the first row.
 */
public final class CompiledRows {
    private static final ObjectMapper JSON = new ObjectMapper();

    private final SparkSession session;
    private final Deque<UnsafeProjection> projections = new ArrayDeque<>();
    private final DataType[] types;

    private CompiledRows(Dataset<Row> frame) {
        session = frame.sparkSession();
        StructType schema = frame.schema();
        types = new DataType[schema.length()];
        for (int column = 0; column < types.length; column++) {
            types[column] = schema.apply(column).dataType();
        }
        // Whatever the session has for queries that are planned for a few rows each.
        SQLConf compiling = session.sessionState().conf().clone();
        compiling.setConfString(SQLConf.CODEGEN_FACTORY_MODE().key(), "FALLBACK");
        SQLConf.withExistingConf(compiling, () -> compile(frame.queryExecution().sparkPlan()));
    }

    @SuppressWarnings("unchecked") // A sequence of named expressions is one of expressions in Scala.
    private Object compile(SparkPlan plan) {
        SparkPlan below = plan;
        while (below instanceof ProjectExec) {
            ProjectExec project = (ProjectExec) below;
            Seq<Expression> columns = (Seq<Expression>) (Seq<?>) project.projectList();
            UnsafeProjection projection = UnsafeProjection.create(columns, project.child().output());
            projection.initialize(0);
            projections.addFirst(projection);
            below = project.child();
        }
        if (!(below instanceof RDDScanExec)) {
            throw new IllegalArgumentException("not evaluated row by row: " + below.nodeName());
        }
        return null;
    }

    /** @param frame projections alone, of a frame whose columns are texts and which is not a local relation */
    public static CompiledRows of(Dataset<Row> frame) {
        return new CompiledRows(frame);
    }

    /**
     * The values of the projections, for each row a tuple, as `collect` gives them to Python, pickled, in Base64.
     *
     * @param rows JSON: for each row an array of the texts of the frame's columns, or null
     */
    public synchronized String evaluate(String rows) throws IOException {
        // Expressions read the settings of the thread's session.
        org.apache.spark.sql.SparkSession.setActiveSession(session);
        String[][] texts = JSON.readValue(rows, String[][].class);
        Object[] results = new Object[texts.length];
        for (int row = 0; row < texts.length; row++) {
            results[row] = evaluate(texts[row]);
        }
        return Base64.getEncoder().encodeToString(new Pickler(true, false).dumps(results));
    }

    private Object[] evaluate(String[] texts) {
        Object[] values = new Object[texts.length];
        for (int column = 0; column < texts.length; column++) {
            values[column] = UTF8String.fromString(texts[column]);
        }
        InternalRow row = new GenericInternalRow(values);
        for (UnsafeProjection projection : projections) {
            row = projection.apply(row);
        }
        Object[] found = new Object[types.length];
        for (int column = 0; column < types.length; column++) {
            found[column] = EvaluatePython.toJava(row.get(column, types[column]), types[column], true);
        }
        return found;
    }
}
