package io.penstock.thrift;

import java.util.Set;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.analysis.LocalTempView$;
import org.apache.spark.sql.catalyst.plans.logical.Command;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.execution.command.CreateViewCommand;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * An extension of Spark SQL that makes every session but one read-only: a row deleted by a click in a BI tool would be
 * missing when the pipeline is reconciled.
 *
 * <p>Against mistakes, not against malice: SQL can still call Java, and read what this process can read.
 */
public final class ReadOnly extends AbstractFunction1<SparkSessionExtensions, BoxedUnit> {
    private static final Set<String> HARMLESS =
            Set.of(
                    "DropTempViewCommand",
                    "ExplainCommand",
                    "ResetCommand",
                    "SetCatalogAndNamespace",
                    "SetCatalogCommand",
                    "SetCommand",
                    "SetNamespaceCommand");

    private static volatile SparkSession writer;

    /** Allow writes in this session: that of the server itself, which creates schemas and views. */
    public static void exempt(SparkSession session) {
        writer = session;
    }

    @Override
    public BoxedUnit apply(SparkSessionExtensions extensions) {
        extensions.injectCheckRule(session -> plan -> check(session, plan));
        return BoxedUnit.UNIT;
    }

    private static BoxedUnit check(SparkSession session, LogicalPlan plan) {
        if (session != writer && plan.exists(ReadOnly::mayWrite)) {
            throw new UnsupportedOperationException(
                    "this server only reads the tables; what changes them are the pipeline's own jobs");
        }
        return BoxedUnit.UNIT;
    }

    private static boolean mayWrite(LogicalPlan node) {
        if (!(node instanceof Command)) {
            return false;
        }
        if (node instanceof CreateViewCommand view) {
            return view.viewType() != LocalTempView$.MODULE$;
        }
        String name = node.getClass().getSimpleName();
        return !(name.startsWith("Show") || name.startsWith("Describe") || HARMLESS.contains(name));
    }
}
