package io.penstock.delta;

import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SaveMode;
import org.apache.spark.sql.classic.SparkSession;
import org.apache.spark.sql.delta.DeltaLog;
import org.apache.spark.sql.delta.DeltaOperations;
import org.apache.spark.sql.delta.DeltaOptions;
import org.apache.spark.sql.delta.OptimisticTransaction;
import org.apache.spark.sql.delta.actions.Action;
import org.apache.spark.sql.delta.actions.AddFile;
import org.apache.spark.sql.delta.actions.SetTransaction;
import org.apache.spark.sql.delta.commands.DMLUtils.TaggedCommitData;
import org.apache.spark.sql.delta.commands.WriteIntoDelta;
import scala.Function0;
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
 * <p>Delta itself reads the table's whole state, recomputed after each commit: three Spark jobs, more than half of a
 * small append. The checksum beside a commit (Delta's PROTOCOL.md, "Version Checksum File") has the table's
 * transactions as of that commit. If it lacks them, Delta's own check is used. The append itself is Delta's: the
 * transaction is part of the commit, and a concurrent commit of the same application makes it fail.
 *
 * <p>Writing the files and committing them are two steps, for callers that commit to other tables in between.
 */
public final class AppendOnce {
    private final SparkSession spark;
    private final DeltaLog table;
    private final DeltaOptions options;
    private final WriteIntoDelta write;
    private final String application;
    private final long version;
    private final OptimisticTransaction transaction;
    /** Null if there is nothing to commit, since the table has the transaction already. */
    private TaggedCommitData<Action> written;

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
        this.transaction = table.startTransaction(Option.empty(), Option.empty());
    }

    /** Append to the table at {@code path}, unless it has this version of the application, or a later one. */
    public static void append(Dataset<Row> data, String path, String application, long version) {
        prepare(data, path, application, version).commit();
    }

    /** Write the files of that append; they are not part of the table before {@link #commit}. */
    public static AppendOnce prepare(Dataset<Row> data, String path, String application, long version) {
        AppendOnce once = new AppendOnce(data, path, application, version);
        once.inTransaction(once::writeFiles);
        return once;
    }

    /**
     * Commit a new version of the table at {@code path} that has this transaction and no rows, unless the table has it
     * already. It writes no data files.
     */
    public static void recordOnly(SparkSession spark, String path, String application, long version) {
        AppendOnce once = new AppendOnce(spark.emptyDataFrame(), path, application, version);
        once.inTransaction(() -> {
            if (!once.isThere()) {
                Action recorded = new SetTransaction(application, version, Option.apply(System.currentTimeMillis()));
                once.transaction.commit(CollectionConverters.asScala(List.of(recorded)).toSeq(), operation());
            }
        });
    }

    /** Commit the written files. To be called once. */
    public void commit() {
        if (written != null) {
            inTransaction(() -> transaction.commitIfNeeded(written.actions(), operation(), written.stringTags()));
        }
    }

    /** How many rows the files have; -1 if nothing was written, or if files have no statistics. */
    public long rows() {
        return written == null ? -1 : CollectionConverters.asJava(written.actions()).stream()
                .filter(AddFile.class::isInstance).map(AddFile.class::cast)
                .mapToLong(AppendOnce::rowsOf).reduce(0, (sum, rows) -> rows < 0 || sum < 0 ? -1 : sum + rows);
    }

    private static long rowsOf(AddFile file) {
        return file.numPhysicalRecords().isDefined() ? (Long) file.numPhysicalRecords().get() : -1;
    }

    private void inTransaction(Runnable work) {
        Function0<BoxedUnit> active = () -> {
            work.run();
            return BoxedUnit.UNIT;
        };
        spark.withActive(() -> OptimisticTransaction.withActive(transaction, false, active));
    }

    private void writeFiles() {
        if (!isThere()) {
            written = write.writeAndReturnCommitData(transaction, spark, Option.empty(), false);
        }
    }

    private boolean isThere() {
        Option<Seq<SetTransaction>> known =
                transaction.snapshot().checksumOpt().flatMap(checksum -> checksum.setTransactions());
        if (known.isEmpty()) {
            return write.hasBeenExecuted(transaction, spark, Option.apply(options));
        }
        // As in Delta's own lookup of a transaction: a concurrent one of this application is a conflict.
        transaction.readTxn().addOne(application);
        return CollectionConverters.asJava(known.get()).stream()
                .anyMatch(one -> one.appId().equals(application) && one.version() >= version);
    }

    private static DeltaOperations.Operation operation() {
        return new DeltaOperations.Write(SaveMode.Append, Option.apply(List$.MODULE$.empty()), Option.empty(),
                Option.empty(), Option.empty(), Option.empty(), Option.empty(), Option.empty(), Option.empty());
    }
}
