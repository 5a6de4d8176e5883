package io.penstock.delta;

import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.delta.DeltaLog;
import org.apache.spark.sql.delta.DeltaOperations;
import org.apache.spark.sql.delta.DeltaOptions;
import org.apache.spark.sql.delta.OptimisticTransaction;
import org.apache.spark.sql.delta.actions.Action;
import org.apache.spark.sql.delta.actions.SetTransaction;
import org.apache.spark.sql.delta.commands.DMLUtils.TaggedCommitData;
import org.apache.spark.sql.delta.commands.WriteIntoDelta;
import scala.Option;
import scala.collection.immutable.List$;
import scala.collection.immutable.Map;
import scala.collection.immutable.Map$;
import scala.collection.immutable.Seq;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.BoxedUnit;

/**
 * Delta's append with {@code txnAppId} and {@code txnVersion}, which asks the table's checksum whether that
 * transaction is there already.
 *
 * <p>Delta itself asks the table's whole state, which it computes anew after each commit: three Spark jobs, more than
 * half of a small append. The checksum beside a commit (Delta's PROTOCOL.md, "Version Checksum File") has the table's
 * transactions as of that commit. Where it lacks them, Delta's way is gone. All else is Delta's append: the
 * transaction is part of the commit, and a commit of the same application in between makes it fail.
 */
public final class AppendOnce {
    private final SparkSession spark;
    private final DeltaLog table;
    private final DeltaOptions options;
    private final WriteIntoDelta write;
    private final String application;
    private final long version;

    private AppendOnce(Dataset<Row> data, String path, String application, long version) {
        this.spark = (SparkSession) data.sparkSession();
        this.table = DeltaLog.forTable(spark, path);
        this.application = application;
        this.version = version;
        Map<String, String> transaction = new Map.Map2<>(
                DeltaOptions.TXN_APP_ID(), application, DeltaOptions.TXN_VERSION(), Long.toString(version));
        this.options = new DeltaOptions(transaction, spark.sessionState().conf());
        this.write = new WriteIntoDelta(table, SaveMode.Append, options, List$.MODULE$.empty(), Map$.MODULE$.empty(),
                data, Option.empty(), Option.empty(), false);
    }

    /** Append to the table at {@code path}, unless it has this version of the application, or a later one. */
    public static void append(Dataset<Row> data, String path, String application, long version) {
        AppendOnce once = new AppendOnce(data, path, application, version);
        once.spark.withActive(() -> once.table.withNewTransaction(Option.empty(), Option.empty(), once::commit));
    }

    private BoxedUnit commit(OptimisticTransaction transaction) {
        if (!isThere(transaction)) {
            TaggedCommitData<Action> data = write.writeAndReturnCommitData(transaction, spark, Option.empty(), false);
            transaction.commitIfNeeded(data.actions(), operation(), data.stringTags());
        }
        return BoxedUnit.UNIT;
    }

    private boolean isThere(OptimisticTransaction transaction) {
        Option<Seq<SetTransaction>> known =
                transaction.snapshot().checksumOpt().flatMap(checksum -> checksum.setTransactions());
        if (known.isEmpty()) {
            return write.hasBeenExecuted(transaction, spark, Option.apply(options));
        }
        // As Delta does when it is asked for a transaction: one of this application in between is a conflict.
        transaction.readTxn().addOne(application);
        return CollectionConverters.asJava(known.get()).stream()
                .anyMatch(one -> one.appId().equals(application) && one.version() >= version);
    }

    private static DeltaOperations.Operation operation() {
        return new DeltaOperations.Write(SaveMode.Append, Option.apply(List$.MODULE$.empty()), Option.empty(),
                Option.empty(), Option.empty(), Option.empty(), Option.empty(), Option.empty(), Option.empty());
    }
}
