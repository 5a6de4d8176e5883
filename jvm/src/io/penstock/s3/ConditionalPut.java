package io.penstock.s3;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.UUID;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FSDataOutputStream;
import org.apache.hadoop.fs.FSDataOutputStreamBuilder;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.fs.s3a.AWSServiceIOException;
import org.apache.hadoop.fs.s3a.RemoteFileChangedException;

/**
 * Writes an object if its key does not exist, and recognises its own object.
 *
 * <p>A response can be lost after S3 stored the object. S3A then retries the PUT and gets 412, because of its own first
 * attempt. The response does not distinguish that from losing to another writer, so every object has a unique owner
 * mark in its metadata, which is compared after a 412.
 */
final class ConditionalPut {
    /** A file system without If-None-Match does not know this option, and then refuses to write at all. */
    private static final String IF_NONE_MATCH = "fs.option.create.conditional.overwrite";

    private static final String MARK = "penstock-writer";
    private static final String SET_MARK = "fs.s3a.create.header." + MARK;
    private static final String GET_MARK = "header." + MARK;

    private static final int CONFLICT = 409;
    private static final int ATTEMPTS = 5;
    private static final long PAUSE_MS = 50;

    private final FileSystem fs;
    private final Path path;
    private final byte[] content;
    private final boolean contentIsUnique;
    private final String mark = UUID.randomUUID().toString();

    /**
     * @param contentIsUnique whether no other writer could have written the same bytes. If so, they identify the owner
     *     on a store without metadata; if not, a lost response counts as a conflict on such a store
     */
    ConditionalPut(FileSystem fs, Path path, byte[] content, boolean contentIsUnique) {
        this.fs = fs;
        this.path = path;
        this.content = content;
        this.contentIsUnique = contentIsUnique;
    }

    /**
     * Write the object.
     *
     * @return false if another writer has created the key
     * @throws InterruptedIOException if interrupted; the object may exist, or appear later
     * @throws IOException if neither this object nor another's exists; it may appear later
     */
    boolean write() throws IOException {
        for (int attempt = 1; ; attempt++) {
            try {
                put();
                return true;
            } catch (RemoteFileChangedException refused) {
                return wasOursThatRefused();
            } catch (IOException failure) {
                if (isInterrupt(failure)) {
                    throw failure;
                }
                // 409: another PUT or DELETE of this key was in progress, with unknown outcome.
                if (isConflict(failure) && attempt < ATTEMPTS) {
                    pause(attempt * PAUSE_MS);
                } else {
                    return wasWrittenAllTheSame(failure);
                }
            }
        }
    }

    private void put() throws IOException {
        // overwrite(true), since with false S3A itself checks for the file instead of leaving it to S3.
        FSDataOutputStreamBuilder<?, ?> file = fs.createFile(path);
        file.create();
        file.overwrite(true);
        file.must(IF_NONE_MATCH, true);
        file.must(SET_MARK, mark);
        FSDataOutputStream stream = file.build();
        try {
            stream.write(content);
        } catch (IOException | RuntimeException | Error failure) {
            stream.abort();  // close() would publish what is there of the content
            throw failure;
        }
        stream.close();
    }

    /** After 412, the key exists. */
    private boolean wasOursThatRefused() throws IOException {
        try {
            return isOurs();
        } catch (FileNotFoundException deletedMeanwhile) {
            return false;
        }
    }

    /** After a failure that leaves the outcome of the PUT unknown. */
    private boolean wasWrittenAllTheSame(IOException failure) throws IOException {
        try {
            return isOurs();
        } catch (FileNotFoundException nothing) {
            throw failure;
        } catch (IOException unreadable) {
            failure.addSuppressed(unreadable);
            throw failure;
        }
    }

    private boolean isOurs() throws IOException {
        byte[] found = fs.getXAttr(path, GET_MARK);
        if (found != null && found.length > 0) {
            return Arrays.equals(found, mark.getBytes(StandardCharsets.UTF_8));
        }
        return contentIsUnique && hasOurContent();
    }

    private boolean hasOurContent() throws IOException {
        if (fs.getFileStatus(path).getLen() != content.length) {
            return false;
        }
        byte[] found = new byte[content.length];
        try (FSDataInputStream stream = fs.open(path)) {
            stream.readFully(0, found);
        }
        return Arrays.equals(found, content);
    }

    private static boolean isConflict(IOException failure) {
        return failure instanceof AWSServiceIOException
                && ((AWSServiceIOException) failure).statusCode() == CONFLICT;
    }

    private static boolean isInterrupt(IOException failure) {
        return failure instanceof InterruptedIOException && !(failure instanceof SocketTimeoutException);
    }

    private static void pause(long milliseconds) throws InterruptedIOException {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException interrupt) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("interrupted between two attempts to write");
        }
    }
}
